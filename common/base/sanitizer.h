/* Hints for AddressSanitizer: memory that is ours but must not be touched now (freed buffers, the
 * unused rest of an arena block).  Without the sanitizer they are nothing. */
#ifndef FLINC_COMMON_BASE_SANITIZER_H
#define FLINC_COMMON_BASE_SANITIZER_H

#if defined(__has_include)
#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>
#endif
#endif

#ifndef ASAN_POISON_MEMORY_REGION
#define ASAN_POISON_MEMORY_REGION(addr, size) ((void)(addr), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(addr, size) ((void)(addr), (void)(size))
#endif

#endif
