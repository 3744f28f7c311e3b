// SPDX-License-Identifier: Apache-2.0
// fir_act on the GPU: the FIR kernel, then noise, bias, activation, gain and clamp in registers.

#include "cuda/fir.cuh"

namespace fullhead {
namespace {

template <class T>
struct NoiseBiasAct {
  const T *noise, *bias;
  int64_t noise_stride, channels;
  int out_h, out_w;
  bool channels_last;
  Acc<T> slope, gain, clamp;

  template <int kSize>
  __device__ void operator()(Acc<T> (&sums)[kSize], int64_t outer, int y, int x, int64_t channel) const {
    const int64_t image = channels_last ? outer : outer / channels;
    const Acc<T> shift = noise ? widen(noise[image * noise_stride + int64_t(y) * out_w + x]) : Acc<T>(0);
#pragma unroll
    for (int i = 0; i < kSize; ++i) {
      Acc<T> z = sums[i] + shift;
      if (bias) z += widen(bias[channels_last ? channel + i : outer % channels]);
      sums[i] = limited((z > Acc<T>(0) ? z : slope * z) * gain, clamp);
    }
  }
};

}  // namespace

int launch_fir_act(void* stream, Element element, const void* x, void* y, const FirArguments& arguments,
                   const FirEpilogue& e) {
  int error = cudaErrorInvalidValue;
  with_element(element, [&](auto zero) {
    using T = decltype(zero);
    const NoiseBiasAct<T> finish{static_cast<const T*>(e.noise), static_cast<const T*>(e.bias), e.noise_stride, e.channels,
                                 arguments.y.out, arguments.x.out, arguments.inner == e.channels && e.channels > 1,
                                 Acc<T>(e.slope), Acc<T>(e.gain), Acc<T>(e.clamp)};
    error = launch_fir_kernel<T>(stream, x, y, arguments, finish);
  });
  return error;
}

}  // namespace fullhead
