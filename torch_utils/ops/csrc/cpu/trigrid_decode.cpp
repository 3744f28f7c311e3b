// SPDX-License-Identifier: Apache-2.0
// trigrid_decode and its gradient on the CPU. Contract: torch_utils/ops/trigrid_decode.py.
//
// Of a chunk of points those that are seen are listed. A tile of them goes through sampling and both layers in the first-level cache,
// while the texels of the next tile are fetched. The backward pass then adds the features' gradients of the chunk to the planes by
// (plane, band of rows): no two threads write the same place, so there are no atomics, and every texel sums its points in their
// order, however many threads and bands there are. So do the layers: each block of a chunk has sums of its own, added up in order.

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/zeros.h>

#include <tuple>
#include <vector>

#include "contract.h"
#include "cpu/small_mlp.h"
#include "cpu/tensors.h"
#include "cpu/texels.h"

namespace fullhead {
namespace {

constexpr int64_t kChunk = 1 << 16;  // Points whose gradients are in memory at a time.
constexpr int64_t kBlock = 1 << 11;  // Points whose gradients of the layers are summed apart.
constexpr int64_t kZeroGrain = 1 << 16;

// What all passes are about. Rows are points of all images, one after another.
struct Call {
  Grid grid;
  at::Tensor points, seen;
  const bool* is_seen;  // null: all of them
  int64_t points_per_image, colours;

  Call(const at::Tensor& planes, const at::Tensor& points_any, const at::Tensor& w2, double box_size, at::IntArrayRef axes,
       bool planar, const std::optional<at::Tensor>& seen_any)
      : grid(planes, box_size, axes, planar),
        points(points_any.contiguous()),
        seen(seen_any ? seen_any->contiguous() : at::Tensor()),
        is_seen(seen_any ? seen.const_data_ptr<bool>() : nullptr),
        points_per_image(points.size(1)),
        colours(w2.size(0) - 1) {}

  template <class A>
  const A* p_points() const {
    return points.template const_data_ptr<A>();
  }

  // Calls f(image, begin, end) for the chunks of all images.
  template <class F>
  void for_each_chunk(const F& f) const {
    for (int64_t image = 0; image < grid.n; ++image)
      for (int64_t first = 0; first < points_per_image; first += kChunk)
        f(image, image * points_per_image + first, image * points_per_image + std::min(points_per_image, first + kChunk));
  }

  // The rows in [begin, end) that are seen.
  std::vector<int64_t> seen_rows(int64_t begin, int64_t end) const {
    std::vector<int64_t> rows(end - begin);
    int64_t count = 0;
    for (int64_t i = begin; i < end; ++i) {
      rows[count] = i;
      count += !is_seen || is_seen[i];
    }
    rows.resize(count);
    return rows;
  }

  // Calls f(tile, next tile, first) for the rows from `first` on up to `last`, a tile at a time.
  template <class A, class F>
  void for_each_tile(const std::vector<int64_t>& rows, int64_t first, int64_t last, const F& f) const {
    Tile<A> tiles[2];
    Tile<A>*tile = &tiles[0], *next = &tiles[1];
    for (tile->look_up(grid, p_points<A>(), rows.data() + first, last - first); first < last; std::swap(tile, next)) {
      const int64_t after = first + tile->count;
      next->look_up(grid, p_points<A>(), rows.data() + after, last - after);
      f(*tile, *next, first);
      first = after;
    }
  }
};

// Calls f with the number of features where kernels know it, else with 0.
template <class F>
void with_features(int64_t features, const F& f) {
  if (features == 32) return f(std::integral_constant<int, 32>());
  if (features == 16) return f(std::integral_constant<int, 16>());
  f(std::integral_constant<int, 0>());
}

std::tuple<at::Tensor, at::Tensor> trigrid_decode(const at::Tensor& planes, const at::Tensor& points, const at::Tensor& w1,
                                                  const at::Tensor& b1, const at::Tensor& w2, const at::Tensor& b2, double box_size,
                                                  at::IntArrayRef axes, bool planar, const std::optional<at::Tensor>& seen) {
  check_trigrid(planes, points, axes, planar, seen);
  check_layers(planes, points, w1, b1, w2, b2);
  const Call call(planes, points, w2, box_size, axes, planar, seen);
  const int64_t m = call.points_per_image, colours = call.colours;
  at::Tensor density = at::empty({call.grid.n, m}, points.options());
  at::Tensor features = on_huge_pages(at::empty({call.grid.n, m, colours}, points.options()));
  with_float_type(planes.scalar_type(), "trigrid_decode", [&](auto zero) {
    using T = decltype(zero);
    using A = Acc<T>;
    const Layers<A> net(w1, b1, w2, b2);
    const T* texels = call.grid.planes.template const_data_ptr<T>();
    A *p_density = density.mutable_data_ptr<A>(), *p_features = features.mutable_data_ptr<A>();
    with_features(call.grid.features, [&](auto known) {
      call.for_each_chunk([&](int64_t image, int64_t begin, int64_t end) {
        const T* planes_here = texels + image * call.grid.stride_n;
        const std::vector<int64_t> rows = call.seen_rows(begin, end);
        parallel_for(begin, call.is_seen ? end : begin, kBlock, [&](int64_t first, int64_t last) {
          for (int64_t i = first; i < last; ++i) {
            if (call.is_seen[i]) continue;
            p_density[i] = A(kHiddenDensity);
            std::fill_n(p_features + i * colours, colours, A(0));
          }
        });
        parallel_for(0, int64_t(rows.size()), kBlock, [&](int64_t first, int64_t last) {
          ForwardTile<A> layers(net, kTile);
          call.for_each_tile<A>(rows, first, last, [&](const Tile<A>& tile, const Tile<A>& next, int64_t) {
            tile.template sample<known>(call.grid, planes_here, layers.inputs.data(), net.inputs_padded);
            layers.run(tile.count, [&](int64_t row, int part) { next.prefetch(call.grid, planes_here, part, row); });
            for (int64_t r = 0; r < tile.count; ++r) {
              p_density[tile.rows[r]] = layers.first[r];
              std::copy_n(layers.rest.data() + r * net.rest_padded, colours, p_features + tile.rows[r] * colours);
            }
          });
        });
      });
    });
  });
  return {density, features};
}

// What is wanted of a backward pass; null where it is not.
template <class A>
struct Wanted {
  A* planes;
  const Grid* planes_grid;
  A* points;
  LayerSums<A>* layers;
};

// Rows `first` .. `last` of a chunk. What goes into the planes, a third of the gradients of the features, becomes rows of d_features.
template <int kFeatures, class T, class A>
void backward_block(const Call& call, const Layers<A>& net, int64_t image, const std::vector<int64_t>& rows, int64_t first,
                    int64_t last, const A* g_density, const A* g_features, const Wanted<A>& wanted, LayerSums<A>* sums, A* d_features) {
  const T* texels = call.grid.planes.template const_data_ptr<T>() + image * call.grid.stride_n;
  const int64_t outputs = net.outputs, colours = outputs - 1, ip = net.inputs_padded;
  const bool wants_features = wanted.planes || wanted.points;
  BackwardTile<A> layers(net, kTile);
  call.for_each_tile<A>(rows, first, last, [&](const Tile<A>& tile, const Tile<A>& next, int64_t done) {
    tile.template sample<kFeatures>(call.grid, texels, layers.inputs.data(), ip);
    for (int64_t r = 0; r < tile.count; ++r) {
      layers.gradient[r * outputs] = g_density[tile.rows[r]];
      std::copy_n(g_features + tile.rows[r] * colours, colours, layers.gradient.data() + r * outputs + 1);
    }
    layers.run(tile.count, wants_features, sums, [&](int64_t row, int part) { next.prefetch(call.grid, texels, part, row); });
    A* __restrict d = layers.d_inputs.data();
    for (int64_t k = 0; wants_features && k < tile.count * ip; ++k) d[k] *= A(1.0 / 3);
    if (wanted.points)
      point_gradients<kFeatures, T, A>(call.grid, texels, call.p_points<A>(), tile.rows, tile.count, d, ip, wanted.points);
    if (wanted.planes)
      for (int64_t r = 0; r < tile.count; ++r) std::copy_n(d + r * ip, net.inputs, d_features + (done + r) * net.inputs);
  });
}

template <int kFeatures, class T, class A>
void backward(const Call& call, const Layers<A>& net, const A* g_density, const A* g_features, const Wanted<A>& wanted) {
  const int64_t threads = at::get_num_threads(), most = std::min(kChunk, call.points_per_image);
  std::vector<LayerSums<A>> sums(wanted.layers ? (most + kBlock - 1) / kBlock : 0, LayerSums<A>(net));
  std::vector<A> d_features(wanted.planes ? most * net.inputs : 0);
  call.for_each_chunk([&](int64_t image, int64_t begin, int64_t end) {
    const std::vector<int64_t> rows = call.seen_rows(begin, end);
    const int64_t count = rows.size(), blocks = (count + kBlock - 1) / kBlock;
    parallel_for(0, blocks, 1, [&](int64_t from, int64_t to) {
      for (int64_t b = from; b < to; ++b) {
        if (wanted.layers) sums[b].clear();
        backward_block<kFeatures, T, A>(call, net, image, rows, b * kBlock, std::min(count, (b + 1) * kBlock), g_density, g_features,
                                        wanted, wanted.layers ? &sums[b] : nullptr, d_features.data());
      }
    });
    for (int64_t b = 0; wanted.layers && b < blocks; ++b) wanted.layers->add(sums[b]);
    if (!wanted.planes) return;
    // One band where the planes alone occupy all threads.
    const int64_t bands = 3 % threads == 0 ? 1 : std::min(threads, call.grid.height);
    parallel_for(0, 3 * bands, 1, [&](int64_t from, int64_t to) {
      Grid band = *wanted.planes_grid;
      for (int64_t task = from; task < to; ++task) {
        const int64_t plane = task / bands, k = task % bands;
        band.row_begin = k * band.height / bands, band.row_end = (k + 1) * band.height / bands;
        scatter_rows<kFeatures, A>(band, int(plane), call.p_points<A>(), rows.data(), count, d_features.data(),
                                   wanted.planes + image * band.stride_n + plane * band.stride_plane);
      }
    });
  });
}

// Rows without their padding.
template <class A>
at::Tensor unpadded(const std::vector<A>& sums, const at::Tensor& like, int64_t row) {
  at::Tensor out = at::empty(like.sizes(), like.options());
  const int64_t columns = like.size(-1);
  A* to = out.mutable_data_ptr<A>();
  for (int64_t r = 0; r < like.numel() / columns; ++r) std::copy_n(sums.data() + r * row, columns, to + r * columns);
  return out;
}

std::vector<at::Tensor> trigrid_decode_grad(const at::Tensor& g_density_any, const at::Tensor& g_features_any, const at::Tensor& planes,
                                            const at::Tensor& points, const at::Tensor& w1, const at::Tensor& b1, const at::Tensor& w2,
                                            const at::Tensor& b2, double box_size, at::IntArrayRef axes, bool planar,
                                            const std::optional<at::Tensor>& seen, bool to_planes, bool to_points, bool to_layers) {
  check_trigrid(planes, points, axes, planar, seen);
  check_layers(planes, points, w1, b1, w2, b2);
  const Call call(planes, points, w2, box_size, axes, planar, seen);
  const at::Tensor g_density = g_density_any.contiguous(), g_features = g_features_any.contiguous();
  std::vector<at::Tensor> gradients;
  // Low-precision planes collect their gradient in float32.
  at::Tensor d_planes, d_points;
  if (to_planes)
    d_planes = on_huge_pages(
        at::empty_strided(planes.sizes(), gradient_strides(planes), planes.options().dtype(points.scalar_type())));
  if (to_points) d_points = at::zeros(points.sizes(), points.options());
  const Grid d_grid = to_planes ? Grid(d_planes, box_size, axes, planar) : call.grid;
  with_float_type(planes.scalar_type(), "trigrid_decode", [&](auto zero) {
    using T = decltype(zero);
    using A = Acc<T>;
    const Layers<A> net(w1, b1, w2, b2);
    LayerSums<A> d_layers(net);
    A* p_planes = to_planes ? d_planes.mutable_data_ptr<A>() : nullptr;
    // By all threads, since most of the time here goes into the first touch of fresh pages.
    if (to_planes)
      parallel_for(0, d_planes.numel(), kZeroGrain, [&](int64_t begin, int64_t end) { std::fill(p_planes + begin, p_planes + end, A(0)); });
    const Wanted<A> wanted{p_planes, &d_grid, to_points ? d_points.mutable_data_ptr<A>() : nullptr, to_layers ? &d_layers : nullptr};
    with_features(call.grid.features, [&](auto known) {
      backward<known, T, A>(call, net, g_density.const_data_ptr<A>(), g_features.const_data_ptr<A>(), wanted);
    });
    if (to_planes) gradients.push_back(d_planes.to(planes.scalar_type()));
    if (to_points) gradients.push_back(d_points);
    if (!to_layers) return;
    gradients.push_back(unpadded(d_layers.w1, w1, net.inputs_padded));
    gradients.push_back(unpadded(d_layers.b1, b1, net.hidden_padded));
    gradients.push_back(unpadded(d_layers.w2, w2, net.hidden_padded));
    gradients.push_back(unpadded(d_layers.b2, b2, net.outputs));
  });
  return gradients;
}

}  // namespace
}  // namespace fullhead

TORCH_LIBRARY_IMPL(fullhead, CPU, m) {
  m.impl("trigrid_decode", fullhead::trigrid_decode);
  m.impl("trigrid_decode_grad", fullhead::trigrid_decode_grad);
}
