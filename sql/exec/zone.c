/* The session's time zone by its name: what a worker elsewhere has to know. */
#include "sql/exec/exec.h"
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

/* /etc/localtime is a link into the database of zones. */
static bool name_of_machine(struct str *out)
{
    static const char folder[] = "zoneinfo/";
    char target[PATH_MAX];
    ssize_t n = readlink("/etc/localtime", target, sizeof(target) - 1);
    if (n <= 0) {
        return false;
    }
    target[n] = '\0';
    const char *name = strstr(target, folder);
    if (name == NULL) {
        return false;
    }
    str_append_cstr(out, name + sizeof(folder) - 1);
    return true;
}

void sql_exec_time_zone(const struct conf *conf, struct str *out)
{
    const char *name = conf_string(conf, "table.local-time-zone");
    const char *tz = getenv("TZ");
    if (name != NULL && strcmp(name, "default") != 0) {
        str_append_cstr(out, name);
    } else if (tz != NULL && tz[0] != '\0' && tz[0] != ':') {
        str_append_cstr(out, tz);
    } else if (!name_of_machine(out)) {
        str_append_cstr(out, "UTC");
    }
}
