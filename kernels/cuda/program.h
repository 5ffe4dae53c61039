#pragma once

#include <cstddef>
#include <variant>
#include <vector>

#include "kernels/cuda/activity.h"
#include "kernels/cuda/byte_product.h"
#include "kernels/cuda/columns.h"
#include "kernels/cuda/digit_product.h"
#include "kernels/cuda/direct_product.h"
#include "kernels/cuda/elements.h"
#include "kernels/cuda/encode.h"
#include "kernels/cuda/filter.h"
#include "kernels/cuda/fold.h"
#include "kernels/cuda/memory.h"
#include "kernels/cuda/probe.h"
#include "kernels/cuda/record.h"
#include "kernels/cuda/scan.h"

namespace spikeserve::cuda {

struct FillZero {
  void* to = nullptr;
  std::size_t bytes = 0;
};
struct Copy {
  void* to = nullptr;
  const void* from = nullptr;
  std::size_t bytes = 0;
};

// One piece of work on a device, with pointers into its memory.
using Call = std::variant<FillZero, Copy, Broadcast, ConvertBytes, Gather, Im2col, DigitProduct,
                          DirectProduct, FilteredTerm, FilteredCells, Encode, Scan, Activate, Fold, FoldRead,
                          Probe, Record, Activity, AdvanceClock, ByteColumns, ByteProduct, TakeCells,
                          WholeProduct, SumCharges, RoundCharges, AddTotals, MemoryNeurons, SetFold>;

// Calls that run one after the other. Data: what plans them needs no device, and any device can run them.
using Program = std::vector<Call>;

}  // namespace spikeserve::cuda
