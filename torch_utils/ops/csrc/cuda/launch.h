// SPDX-License-Identifier: Apache-2.0
// What the glue (.cpp, PyTorch headers) and the kernels (.cu, none) agree on. Each function queues one kernel on `stream`, a
// cudaStream_t of the current device, and returns a cudaError_t as an int.
#pragma once

#include <cstdint>

#include "activation.h"

namespace fullhead {

enum class Element { f32, f64, f16, bf16 };

// Elements lie as [rows, channels, inner]; a channels-last image has inner = 1.
struct ActShape {
  int64_t numel, channels, inner;
};
int launch_biased_act(void* stream, Element element, const void* x, const void* bias, void* y, ActShape shape, Act act,
                      double gain, double clamp);
int launch_act_slope(void* stream, Element element, const void* g, const void* kept, void* out, int64_t numel, Act act,
                     double gain, double clamp);
int launch_act_curve(void* stream, Element element, const void* g, const void* h, const void* kept, void* out, int64_t numel,
                     Act act, double gain, double clamp);

// Images lie as [outer, height, width, inner]: inner is the channels of a channels-last image, or 1 with outer = N * C.
struct FirAxis {
  int in, out, up, down, pad, num_taps;
  const void* taps;  // on the device, float (double for double); null with num_taps = 1 stands for the tap 1
};
struct FirArguments {
  int64_t outer, inner;
  FirAxis y, x;
  double gain;
};
// What may follow the filter. `slope` is that of the activation below zero; 1 leaves it out.
struct FirEpilogue {
  const void* noise;  // [1 or N, out_h, out_w] or null
  int64_t noise_stride;  // elements from image to image
  const void* bias;  // [channels] or null
  int64_t channels;
  double slope, gain, clamp;
};
int launch_fir(void* stream, Element element, const void* x, void* y, const FirArguments& arguments);
int launch_fir_act(void* stream, Element element, const void* x, void* y, const FirArguments& arguments,
                   const FirEpilogue& epilogue);

}  // namespace fullhead
