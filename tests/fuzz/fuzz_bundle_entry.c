/* The name of a bundle's job, read from a file that somebody uploaded. */
#include "jobmanager/rest/bundle_entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char name[BUNDLE_ENTRY_NAME_MAX + 1];
    if (bundle_entry_read(data, size, name)) {
        ASSERT(name[0] != '\0' && strlen(name) <= BUNDLE_ENTRY_NAME_MAX);
    }
    return 0;
}
