# SPDX-License-Identifier: Apache-2.0
"""Frames to a video that plays elsewhere: mp4, webm, gif, or a folder of PNG pictures, by the ending of its name.

video = Video(width=512, height=512, fps=60)
check_video("head.mp4", video)  # Refuses what cannot work, before any frame is made.
with open_video("head.mp4", video) as writer:
    for frame in frames:  # uint8, [height, width, 3]
        writer.write(frame)
"""

from dnnlib.video.formats import Video, VideoError, check_video
from dnnlib.video.writer import VideoWriter, open_video

__all__ = ["Video", "VideoError", "VideoWriter", "check_video", "open_video"]
