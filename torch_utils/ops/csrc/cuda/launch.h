// SPDX-License-Identifier: Apache-2.0
// What the glue (.cpp, PyTorch headers) and the kernels (.cu, none) agree on. Each function queues its kernels on `stream`, a
// cudaStream_t of the current device, and returns a cudaError_t as an int. None of them waits for the device.
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

// Planes [N, 3, D, F, H, W] of any strides but that of the features, which is 1. Points and their gradient are float (double
// for double), dense; so is the gradient of the planes, whose strides are in `arguments` then.
struct TrigridArguments {
  int64_t points, points_per_image;
  int64_t stride_image, stride_plane;
  int32_t features;
  int32_t size[3], stride[3];  // along a plane's width, height and depth
  int32_t axes[3][3];          // for each plane the axes of space that these run along
  double per_unit;             // of the coordinates in which the box is [-1, 1]^3
  bool planar;
  const bool* seen;  // of every point; null is all of them
};
// Two layers, dense, of the points' type.
struct LayerArguments {
  int32_t inputs, hidden, outputs;
  const void *w1, *b1, *w2, *b2;
};
// Whether these layers are small enough for the kernels.
bool are_small(Element element, const LayerArguments& layers);
// `element` is always that of the planes.
int launch_trigrid_decode(void* stream, Element element, const void* planes, const void* points, const TrigridArguments& arguments,
                          const LayerArguments& layers, void* density, void* rest);
// What follows takes `rows` points from `first` on, and keeps what belongs to them from row 0 on. Features of the planes, zero where
// nothing is seen:
int launch_trigrid_sample(void* stream, Element element, const void* planes, const void* points, const TrigridArguments& arguments,
                          int64_t first, int64_t rows, void* x);
// The gradient of x, and what those of the weights are made of: the hidden layer after softplus and the gradient before it, both
// transposed, [hidden, rows].
int launch_layers_grad(void* stream, Element element, const LayerArguments& layers, const void* x, int64_t rows, const void* g_first,
                       const void* g_rest, void* d_x, void* hidden, void* d_hidden);
// Adds to `out`, which must be zero before. The order of the sums, and so their last bits, may differ from run to run.
int launch_trigrid_grad_planes(void* stream, Element element, const void* g, const void* points, const TrigridArguments& arguments,
                               int64_t first, int64_t rows, void* out);
// `out` must be zero before, and is that of all points.
int launch_trigrid_grad_points(void* stream, Element element, const void* g, const void* planes, const void* points,
                               const TrigridArguments& arguments, int64_t first, int64_t rows, void* out);

// Samples along rays, of one pass (then samples[1] is 0) or two, dense. `element` is that of the features; all else is float
// (double for double).
struct RayArguments {
  int64_t rays;
  int32_t samples[2], all_samples, channels;
  const void *features[2], *densities[2], *depths[2];
};
// What is known of rays once they are composited. `order` [rays, samples] says which sample comes where, those of the second
// pass counted on from those of the first; `front` [rays, intervals] is the transmittance before each interval.
struct RayResults {
  void *depth, *weights, *total;
  int32_t* order;
  void* front;
};
struct RayGradients {
  const void *g_features, *g_depth, *g_weights;
  void *features[2], *densities[2], *depths[2];  // depths may be null
};
int launch_composite(void* stream, Element element, const RayArguments& arguments, const RayResults& results, void* features);
// Fills `results` by itself; `along` [rays, samples] is for its own use.
int launch_composite_grad(void* stream, Element element, const RayArguments& arguments, const RayResults& results, void* along,
                          const RayGradients& gradients);

// float or double. `cdf` [rays, bins + 1] is for its own use.
int launch_importance_depths(void* stream, Element element, const void* depths, const void* weights, const void* u, void* cdf,
                             void* out, int64_t rays, int32_t samples, int32_t draws, bool shifted);
int launch_merge_depths(void* stream, Element element, const void* first, const void* second, void* depths, int64_t* order,
                        int64_t rays, int32_t num_first, int32_t num_second);

// `indices` [items] and `out` [items, count], dense.
int launch_philox_words(void* stream, const int64_t* indices, int64_t* out, uint64_t key, int64_t items, int64_t count);

}  // namespace fullhead
