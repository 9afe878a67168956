#include <iostream>
#include <variant>

#include "verify/certify/universal.hpp"
#include "verify/checkpoint/checkpoint.hpp"

// Certifies the first layer of the model given and says its largest one-step rate.
int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const lyap::Checkpoint model = lyap::Checkpoint::open(argv[1]);
  const auto block = model.read_block(0);
  const lyap::UniversalBounds bounds =
      std::visit([](const auto& weights) { return lyap::certify_universal(weights); }, block);
  std::cout << "zeta of head 0 at most " << bounds.zeta_upper.at(0) << '\n';
  return bounds.zeta_upper.at(0) <= 0.0 ? 0 : 1;
}
