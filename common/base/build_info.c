/* Stand-ins for programs that are no product (tests, benchmarks): those would all be linked again with each
 * commit.  Products bring the real ones, lib/build_info_of_commit.c. */
#include "common/base/build_info.h"

__attribute__((weak)) const char *build_commit(void)
{
    return "unknown";
}

__attribute__((weak)) const char *build_revision(void)
{
    return "unknown @ 1970-01-01T00:00:00+00:00";
}
