#pragma once

/// Before a function of plain loops: the compiler makes a version of it for each of these instruction sets, and the
/// best one that the processor has is chosen when the program starts. What the function calls is part of a version only
/// where it is inlined. Every version performs the same operations in the same order (contraction to fused
/// multiply-adds is off): results do not depend on the processor. Nothing under sanitizers, whose start-up code comes
/// after the choice.
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
#define LYAP_VECTOR_CLONES [[gnu::target_clones("default", "avx2", "avx512f")]]
#else
#define LYAP_VECTOR_CLONES
#endif
