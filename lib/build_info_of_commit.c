/* See build_info.h; meson asks git for the text at each build and writes it into the header. */
#include "build_revision.h"
#include "common/base/build_info.h"

const char *build_commit(void)
{
    static const char commit[] = BUILD_COMMIT;
    return commit;
}

const char *build_revision(void)
{
    return BUILD_REVISION;
}
