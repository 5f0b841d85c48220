/* Names and removal of workers' log files; see worker_log.h. */
#include "taskmanager/host/worker_log.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/base/vec.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char topic[] = "flinc.taskmanager.host";
static const char daemon_part[] = "-taskexecutor-", worker_part[] = "-taskworker-";

/* ---- names --------------------------------------------------------------------------------------- */

static const char *ident_string(void)
{
    static const char *const names[] = {"FLINK_IDENT_STRING", "USER"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *value = getenv(names[i]);
        if (value != NULL && value[0] != '\0' && strchr(value, '/') == NULL) {
            return value;
        }
    }
    return "flinc";
}

void worker_log_stem(const char *own_log, const char *host, struct str *ret_stem)
{
    const char *slash = own_log != NULL ? strrchr(own_log, '/') : NULL;
    const char *name = slash != NULL ? slash + 1 : own_log;
    const char *part = name != NULL ? strstr(name, daemon_part) : NULL;
    if (part != NULL && cstr_ends_with(part, ".log")) {
        const char *behind = part + strlen(daemon_part);
        str_printf(ret_stem, "%.*s%s%.*s", (int)(part - name), name, worker_part,
                   (int)(strlen(behind) - strlen(".log")), behind);
    } else {
        str_printf(ret_stem, "flink-%s%s%d-%s", ident_string(), worker_part, (int)getpid(), host);
    }
}

void worker_log_path(const char *dir, const char *stem, const struct flinc_id *job_id,
                     struct str *ret_path)
{
    char job[ID_HEX_LEN + 1];
    id_format(job_id, job);
    str_printf(ret_path, "%s/%s-%s.log", dir, stem, job);
}

/* ---- removal ------------------------------------------------------------------------------------- */

/* The files of one job. */
struct job_logs {
    char hex[ID_HEX_LEN + 1];
    int64_t newest_ns;
    struct vec names; /* Owns char * */
};

static void job_logs_free(void *value)
{
    struct job_logs *l = value;
    for (size_t i = 0; i < l->names.len; i++) {
        mem_free(vec_ptr(&l->names, i));
    }
    vec_fini(&l->names);
    mem_free(l);
}

/* "<stem>-<job id>.log" or "<stem>-<job id>.log.<n>". */
static bool parse_name(const char *name, const char *stem, char ret_hex[ID_HEX_LEN + 1])
{
    size_t n = strlen(stem);
    if (strncmp(name, stem, n) != 0 || name[n] != '-') {
        return false;
    }
    const char *hex = name + n + 1;
    if (strspn(hex, "0123456789abcdef") != ID_HEX_LEN ||
        strncmp(hex + ID_HEX_LEN, ".log", 4) != 0) {
        return false;
    }
    const char *rest = hex + ID_HEX_LEN + 4;
    if (rest[0] != '\0' &&
        (rest[0] != '.' || rest[1] == '\0' || rest[1 + strspn(rest + 1, "0123456789")] != '\0')) {
        return false;
    }
    memcpy(ret_hex, hex, ID_HEX_LEN);
    ret_hex[ID_HEX_LEN] = '\0';
    return true;
}

static void collect(DIR *d, const char *stem, struct map *jobs)
{
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        char hex[ID_HEX_LEN + 1];
        if (!parse_name(e->d_name, stem, hex)) {
            continue;
        }
        struct job_logs *l = map_find(jobs, hex);
        if (l == NULL) {
            l = MEM_NEW(struct job_logs);
            memcpy(l->hex, hex, sizeof(hex));
            vec_init(&l->names, sizeof(char *));
            (void)map_put(jobs, hex, l);
        }
        vec_push_ptr(&l->names, mem_strdup(e->d_name));
    }
}

static int compare_newest_first(const void *a, const void *b)
{
    const struct job_logs *const *x = a, *const *y = b;
    return ((*x)->newest_ns < (*y)->newest_ns) - ((*x)->newest_ns > (*y)->newest_ns);
}

static void look_at_times(DIR *d, struct job_logs *l)
{
    for (size_t i = 0; i < l->names.len; i++) {
        struct stat st;
        if (fstatat(dirfd(d), vec_ptr(&l->names, i), &st, AT_SYMLINK_NOFOLLOW) == 0) {
            int64_t ns = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
            l->newest_ns = MAX(l->newest_ns, ns);
        }
    }
}

static uint32_t remove_files(DIR *d, const struct job_logs *l)
{
    uint32_t n = 0;
    for (size_t i = 0; i < l->names.len; i++) {
        n += unlinkat(dirfd(d), vec_ptr(&l->names, i), 0) == 0;
    }
    return n;
}

uint32_t worker_log_prune(const char *dir, const char *stem, uint32_t n_kept,
                          bool (*in_use)(void *arg, const char *job_hex), void *arg)
{
    struct map jobs; /* hex -> struct job_logs */
    struct vec ended = VEC_INIT(struct job_logs *);
    uint32_t n_removed = 0;
    DIR *d = opendir(dir);
    if (d == NULL) {
        return 0; /* nobody can write logs there either */
    }
    map_init(&jobs, job_logs_free);
    collect(d, stem, &jobs);
    MAP_FOREACH (&jobs, e) {
        struct job_logs *l = e->value;
        if (!in_use(arg, l->hex)) {
            vec_push_ptr(&ended, l);
        }
    }
    if (ended.len > n_kept) {
        for (size_t i = 0; i < ended.len; i++) {
            look_at_times(d, vec_ptr(&ended, i));
        }
        qsort(ended.data, ended.len, sizeof(struct job_logs *), compare_newest_first);
        for (size_t i = n_kept; i < ended.len; i++) {
            n_removed += remove_files(d, vec_ptr(&ended, i));
        }
        LOG_DEBUG(topic, "%u log files of workers whose jobs have ended were removed", n_removed);
    }
    vec_fini(&ended);
    map_fini(&jobs);
    closedir(d);
    return n_removed;
}
