/* Handles of recoverable files from hostile bytes: refused, or what is decoded encodes to the same
 * bytes.  Nothing here may touch the disk. */
#include "common/fs/recoverable.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct recoverable_handle handle;
    struct slice bytes = slice_make((const char *)data, size);
    if (recoverable_handle_decode(bytes, &handle, NULL) < 0) {
        return 0;
    }
    struct str again = STR_INIT;
    recoverable_handle_encode(&handle, &again);
    ASSERT(slice_eq(str_slice(&again), bytes));
    str_fini(&again);
    recoverable_handle_fini(&handle);
    return 0;
}
