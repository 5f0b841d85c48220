/* Where the distribution lies that a program of libexec/ belongs to.  Thread: any. */
#include "jobmanager/process/home.h"

#include "common/base/macros.h"
#include <limits.h>
#include <string.h>
#include <unistd.h>

void services_home_path(const char *name, struct str *ret_path)
{
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    exe[MAX(n, 0)] = '\0';
    for (int up = 0; up < 2; up++) { /* libexec/flinc-jobmanager -> libexec -> the distribution */
        char *slash = strrchr(exe, '/');
        if (slash != NULL) {
            *slash = '\0';
        }
    }
    str_clear(ret_path);
    str_printf(ret_path, "%s/%s", exe, name);
}
