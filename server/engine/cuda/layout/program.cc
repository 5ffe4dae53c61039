#include "server/engine/cuda/layout/program.h"

#include <algorithm>

#include "server/engine/cuda/layout/closed_products.h"
#include "server/engine/cuda/layout/group_program.h"
#include "server/engine/cuda/layout/products.h"
#include "server/engine/cuda/layout/program_parts.h"
#include "server/engine/cuda/layout/scratch.h"

namespace spikeserve::engine {
namespace {

using cuda::CellType;

void ConvertInputs(const CudaScene& scene, bool held, std::int64_t steps, cuda::Program& program) {
  const std::vector<OperationDefinition>& operations = scene.run.plan->network->definition().operations;
  for (std::size_t i = 0; i < scene.run.populations.size(); ++i) {
    const CudaPopulation& use = scene.run.populations[i];
    if (!use.bytes || !use.as_values || use.held != held) {
      continue;
    }
    const Population& population = scene.run.plan->populations[i];
    const auto& input = std::get<InputOperation>(operations[Index(population.operation)].kind);
    program.emplace_back(cuda::ConvertBytes{
        scene.launch.samples * population.size * (held ? 1 : steps), scene.buffers.populations[i].bytes,
        static_cast<float>(input.uint8_scale.value_or(1)), static_cast<float>(input.uint8_offset.value_or(0)),
        scene.buffers.populations[i].values});
  }
}

void AppendHeld(const CudaScene& scene, std::size_t l, std::size_t t, cuda::Program& program) {
  const Layer& layer = scene.run.plan->layers[l];
  const std::int64_t input = layer.terms[t].population;
  const CudaTerm& term = scene.run.weights->term(l, t);
  CudaArena arena(scene.buffers.scratch);
  const std::int64_t block = scene.launch.rows();
  const CudaLayerScratch scratch = LayOutScratch(scene.run, l, block, false, arena);
  for (std::int64_t first = 0; first < scene.launch.samples; first += block) {
    CudaProductRequest request;
    request.rows = std::min(block, scene.launch.samples - first);
    request.source = InputCells(scene, input, first, 1, false);
    request.wide = static_cast<double>(kLargestByte * term.gather_most) * term.max_row_sum >= kNarrowBound;
    request.cells = scratch.cells;
    request.sums = scene.buffers.layers[l].terms[t].held + first * layer.size;
    AppendProduct(term, request, program);
  }
}

// The answer of a folded probe for `count` samples of the range, from `first` on.
void AppendAnswer(const CudaScene& scene, std::size_t p, const CudaReadRange& range, std::int64_t first,
                  std::int64_t count, cuda::Program& program) {
  const std::size_t l = Index(scene.run.probe(p).layer);
  const Layer& layer = scene.run.plan->layers[l];
  CudaArena arena(scene.buffers.scratch);
  const CudaLayerScratch scratch = LayOutScratch(scene.run, l, scene.launch.rows(), true, arena);
  cuda::Scan empty;
  empty.samples = count;
  empty.steps = 1;
  empty.size = layer.size;
  ScanChain chain(empty, scratch.base, program);
  for (std::size_t t = 0; t < layer.terms.size(); ++t) {
    const CudaTerm& term = scene.run.weights->term(l, t);
    const Population& source = scene.run.population(layer.terms[t].population);
    float* const sums = scratch.sums[chain.NextSlot()];
    program.emplace_back(cuda::FoldRead{count, source.size,
                                        From(scene.buffers.probes[p].folds[t], first, source.size),
                                        range.counted, scratch.values});
    CudaProductRequest request;
    request.rows = count;
    request.source = {scratch.values, CellType::kFloat, source.size};
    request.as_floats = source.spiking;
    request.cells = scratch.cells;
    request.sums = sums;
    AppendProduct(term, request, program);
    cuda::ScanTerm& to = chain.Add();
    to.held = true;
    to.scale = scene.buffers.layers[l].terms[t].readout_scale;
    SetSums(term, false, sums, to);
  }
  cuda::Scan& scan = chain.last();
  scan.emitter = cuda::Linear{range.bias_factors[p]};
  scan.bias = scene.buffers.layers[l].bias;
  scan.values = scene.buffers.probes[p].answer + first * layer.size;
  program.emplace_back(scan);
}

}  // namespace

cuda::Program StateProgram(const CudaScene& scene, std::int64_t first, std::int64_t count) {
  cuda::Program program;
  const CudaBuffers& buffers = scene.buffers;
  const bool all = first == 0 && count == scene.launch.samples;
  if (all) {
    program.emplace_back(cuda::FillZero{buffers.state, Index(buffers.state_bytes)});
  }
  for (std::size_t i = 0; !all && i < buffers.state_arrays.size(); ++i) {
    const std::int64_t share = buffers.state_arrays[i].bytes / scene.launch.samples;
    program.emplace_back(cuda::FillZero{buffers.state_arrays[i].data + first * share, Index(count * share)});
  }
  for (std::size_t l = 0; l < buffers.layers.size(); ++l) {
    const CudaLayerBuffers& layer = buffers.layers[l];
    const std::int64_t size = scene.run.plan->layers[l].size;
    if (layer.state.voltage != nullptr) {
      program.emplace_back(
          cuda::Broadcast{count, size, layer.initial_voltage, layer.state.voltage + first * size});
    }
  }
  return program;
}

cuda::Program InputProgram(const CudaScene& scene) {
  cuda::Program program;
  for (std::size_t i = 0; i < scene.run.populations.size(); ++i) {
    const CudaPopulationBuffers& buffers = scene.buffers.populations[i];
    if (buffers.counts != nullptr && buffers.stride != scene.run.plan->populations[i].size) {
      program.emplace_back(cuda::FillZero{buffers.counts, Index(scene.launch.rows() * buffers.stride * 4)});
    }
  }
  ConvertInputs(scene, true, 1, program);
  for (std::size_t l = 0; l < scene.buffers.layers.size(); ++l) {
    for (std::size_t t = 0; t < scene.buffers.layers[l].terms.size(); ++t) {
      if (scene.buffers.layers[l].terms[t].held != nullptr) {
        AppendHeld(scene, l, t, program);
      }
      if (scene.buffers.layers[l].terms[t].whole != nullptr) {
        AppendHeldCharges(scene, l, t, program);
      }
    }
  }
  return program;
}

std::int64_t MostCalls(const CudaRun& run, const CudaLaunchShape& launch) {
  constexpr std::int64_t kProductCalls = 4;  // gather, im2col, product, filter
  std::int64_t of_group = 0;
  for (const Layer& layer : run.plan->layers) {
    const auto terms = static_cast<std::int64_t>(layer.terms.size());
    of_group += terms * kProductCalls + terms / cuda::kScanTerms + 2;  // scans, activation
  }
  for (std::size_t p = 0; p < run.spec->probes.size(); ++p) {
    of_group += 2 + static_cast<std::int64_t>(run.probed_layer(p).terms.size());
  }
  of_group += static_cast<std::int64_t>(run.spec->inputs.size());              // encodings
  of_group += 2 * static_cast<std::int64_t>(run.spec->request_probes.size());  // sums, records
  const std::int64_t groups = (launch.samples + launch.group - 1) / launch.group;
  return groups * of_group + 2 + 2 * static_cast<std::int64_t>(run.populations.size());
}

cuda::Program ChunkProgram(const CudaScene& scene, std::int64_t steps, bool wide) {
  cuda::Program program;
  program.reserve(Index(MostCalls(scene.run, scene.launch)));
  program.emplace_back(cuda::FillZero{scene.buffers.exceeded, sizeof(std::int32_t)});
  for (const CudaPopulationBuffers& buffers : scene.buffers.populations) {
    if (wide && buffers.largest != nullptr) {
      program.emplace_back(
          cuda::FillZero{buffers.largest, Index(scene.launch.samples) * sizeof(std::int32_t)});
    }
  }
  ConvertInputs(scene, false, steps, program);
  for (std::int64_t first = 0; first < scene.launch.samples; first += scene.launch.group) {
    const std::int64_t count = std::min(scene.launch.group, scene.launch.samples - first);
    AppendGroup(scene, steps, wide, first, count, program);
  }
  program.emplace_back(cuda::AdvanceClock{scene.launch.samples, scene.buffers.clock, steps});
  return program;
}

cuda::Program LandingProgram(const CudaScene& scene, std::int64_t steps) {
  cuda::Program program;
  for (std::size_t i = 0; i < scene.run.populations.size(); ++i) {
    const CudaPopulationBuffers& buffers = scene.buffers.populations[i];
    if (buffers.landing != nullptr) {
      const CudaPopulation& use = scene.run.populations[i];
      const std::int64_t elements = scene.launch.samples * scene.run.plan->populations[i].size * steps;
      void* const to = use.bytes ? static_cast<void*>(buffers.bytes) : static_cast<void*>(buffers.values);
      program.emplace_back(cuda::Copy{to, buffers.landing, Index(elements * (use.bytes ? 1 : 4))});
    }
  }
  return program;
}

cuda::Program LeavingProgram(const CudaScene& scene, std::int64_t steps) {
  cuda::Program program;
  const auto append = [&](const CudaOutput& output, std::int64_t size) {
    if (output.values != nullptr) {
      const std::int64_t count = scene.launch.samples * steps * size;
      program.emplace_back(cuda::Copy{output.leaving, output.values, Index(count) * sizeof(float)});
    }
  };
  for (std::size_t p = 0; p < scene.buffers.probes.size(); ++p) {
    append(scene.buffers.probes[p].trajectory, scene.run.probe(p).size);
  }
  for (std::size_t r = 0; r < scene.buffers.records.size(); ++r) {
    append(scene.buffers.records[r], scene.run.RecordSize(r));
  }
  program.emplace_back(
      cuda::Copy{scene.buffers.exceeded_leaving, scene.buffers.exceeded, sizeof(std::int32_t)});
  return program;
}

cuda::Program ReadingProgram(const CudaScene& scene, std::span<const CudaReadRange> ranges) {
  cuda::Program program;
  const CudaBuffers& all = scene.buffers;
  const std::size_t samples = Index(scene.launch.samples);
  if (!scene.run.HasClosed()) {  // else ClosedProgram has done it
    program.emplace_back(cuda::Copy{all.read_spikes, all.sample_spikes, samples * sizeof(std::int64_t)});
  }
  program.emplace_back(cuda::Copy{all.read_failed, all.failed, samples * sizeof(std::int32_t)});
  const std::int64_t block = scene.launch.rows();
  for (std::size_t p = 0; p < scene.run.folded.size(); ++p) {
    if (!scene.run.folded[p]) {
      const std::size_t count = samples * Index(scene.run.probe(p).size);
      program.emplace_back(cuda::Copy{all.probes[p].answer, all.probes[p].last, count * sizeof(float)});
      program.emplace_back(cuda::Copy{all.probes[p].answer_sum, all.probes[p].sum, count * sizeof(double)});
      continue;
    }
    for (const CudaReadRange& range : ranges) {
      const std::int64_t end = range.first + range.count;
      for (std::int64_t first = range.first; first < end; first += block) {
        AppendAnswer(scene, p, range, first, std::min(block, end - first), program);
      }
    }
  }
  for (std::size_t l = 0; l < scene.buffers.layers.size(); ++l) {
    const CudaLayerBuffers& buffers = scene.buffers.layers[l];
    if (buffers.activity != nullptr) {
      const Layer& layer = scene.run.plan->layers[l];
      program.emplace_back(cuda::Activity{scene.launch.samples, layer.size, buffers.neuron_spikes,
                                          scene.run.weights->fan_out(layer.population), buffers.activity});
    }
  }
  return program;
}

}  // namespace spikeserve::engine
