# SPDX-License-Identifier: Apache-2.0
"""Makes, checks, shows and converts data sets. `python dataset_tool.py COMMAND --help` explains each command."""

import importlib

import click

COMMANDS = {
    "pack": "make the training form from pictures, masks and cameras",
    "check": "list everything that is wrong with a set; --fix writes a clean copy",
    "stats": "counts, pose histogram, contact sheet and camera frusta of a set",
    "cameras": "convert camera files to dataset.json and back",
    "align": "crop pictures by landmarks or head boxes to one scale and centre",
    "masks": "soft masks from a segmentation network in a file",
    "synth": "procedural heads with exact cameras, masks and depth",
}


class DatasetTool(click.Group):
    """Imports a command when it is used, so that help is instant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return importlib.import_module(f"training.data.commands.{cmd_name}").command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=DatasetTool, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Makes, checks, shows and converts data sets in the form of EG3D and PanoHead.

    A set is a folder or zip of images with dataset.json (--img_data), and a second one of masks (--seg_data). New sets
    go to --img_dest and --seg_dest.
    """


if __name__ == "__main__":
    main()
