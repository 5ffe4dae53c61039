#pragma once

// What clang's -Wthread-safety checks of locks; nothing for compilers that do not know it.
#if defined(__clang__)
#define SPIKESERVE_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define SPIKESERVE_THREAD_ATTRIBUTE(x)
#endif

// A type that can be held, and one that holds another from its construction to its destruction.
#define SPIKESERVE_CAPABILITY(name) SPIKESERVE_THREAD_ATTRIBUTE(capability(name))
#define SPIKESERVE_SCOPED_CAPABILITY SPIKESERVE_THREAD_ATTRIBUTE(scoped_lockable)

// Of a member: touched only by who holds the mutex.
#define SPIKESERVE_GUARDED_BY(mutex) SPIKESERVE_THREAD_ATTRIBUTE(guarded_by(mutex))

// Of a function: called only by who holds the mutexes, or does not; takes them, or lets go of them.
#define SPIKESERVE_REQUIRES(...) SPIKESERVE_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define SPIKESERVE_EXCLUDES(...) SPIKESERVE_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))
#define SPIKESERVE_ACQUIRE(...) SPIKESERVE_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define SPIKESERVE_RELEASE(...) SPIKESERVE_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))
