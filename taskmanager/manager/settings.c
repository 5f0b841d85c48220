/* Names, addresses, ports and folders of a task manager's process; see settings.h. */
#include "taskmanager/manager/settings.h"

#include "common/ha/ha.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/text/number.h"
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const char topic[] = "flinc.taskmanager";

static const char *option_or_null(const struct conf *conf, const char *name)
{
    const char *text = conf_has_value(conf, name) ? conf_string(conf, name) : NULL;
    return text != NULL && text[0] != '\0' ? text : NULL;
}

/* ---- ports -------------------------------------------------------------------------------------- */

static bool parse_port(struct slice text, uint32_t *ret)
{
    uint32_t port = 0;
    text = slice_trim(text);
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || port > UINT16_MAX) {
            return false;
        }
        port = port * 10 + (uint32_t)(text.data[i] - '0');
    }
    *ret = port;
    return text.len > 0 && port <= UINT16_MAX;
}

int tm_parse_port_range(const char *option, const char *text, uint32_t *ret_first,
                        uint32_t *ret_last, struct error *err)
{
    struct slice rest = slice_cstr(text), range = {NULL, 0}, first, last;
    uint32_t a = 0, b = 0;
    bool ok =
        slice_next(&rest, ',', &range) && slice_next(&range, '-', &first) && parse_port(first, &a);
    b = a;
    if (ok && range.data != NULL) {
        ok = slice_next(&range, '-', &last) && parse_port(last, &b) && range.data == NULL;
    }
    if (!ok || b < a) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "%s cannot be \"%s\": a port is expected, or a range like 50100-50200",
                         option, text);
    }
    *ret_first = a;
    *ret_last = b;
    return 0;
}

static void free_addresses(struct addrinfo **list)
{
    if (*list != NULL) {
        freeaddrinfo(*list);
    }
}

static int resolve(const char *host, uint32_t port, int type, struct addrinfo **ret)
{
    char service[16];
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = type};
    snprintf(service, sizeof(service), "%u", port);
    return getaddrinfo(host, service, &hints, ret);
}

/* A socket on the port, or an errno value. */
static int bind_port(const struct addrinfo *address, int *ret_fd, uint32_t *ret_port)
{
    struct sockaddr_storage bound;
    socklen_t size = sizeof(bound);
    char service[16];
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    if (bind(fd, address->ai_addr, address->ai_addrlen) != 0 ||
        getsockname(fd, (struct sockaddr *)&bound, &size) != 0 ||
        getnameinfo((struct sockaddr *)&bound, size, NULL, 0, service, sizeof(service),
                    NI_NUMERICSERV) != 0) {
        int error_number = errno;
        close(fd);
        return error_number;
    }
    *ret_fd = fd;
    *ret_port = (uint32_t)strtoul(service, NULL, 10);
    return 0;
}

static int hold_rpc_port(struct tm_settings *s, const struct conf *conf, struct error *err)
{
    uint32_t first = 0, last = 0;
    const char *text = conf_string(conf, "taskmanager.rpc.port");
    TRY(tm_parse_port_range("taskmanager.rpc.port", text, &first, &last, err));
    int error_number = EADDRINUSE;
    for (uint32_t port = first; port <= last && s->rpc_fd < 0; port++) {
        CLEANUP(free_addresses) struct addrinfo *list = NULL;
        int rc = resolve(s->bind_host, port, SOCK_STREAM, &list);
        if (rc != 0) {
            return error_set(err, ERR_INVALID_CONFIG, "taskmanager.bind-host cannot be \"%s\": %s",
                             s->bind_host, gai_strerror(rc));
        }
        error_number = bind_port(list, &s->rpc_fd, &s->rpc_port);
    }
    if (s->rpc_fd < 0) {
        return error_set_errno(err, error_number,
                               "The task manager cannot take port %s on %s (taskmanager.rpc.port; "
                               "0 takes a free one)",
                               text, s->bind_host);
    }
    return 0;
}

/* ---- names -------------------------------------------------------------------------------------- */

/* The address of this machine towards the job manager; NULL when it is not known. */
static char *connecting_address(const struct tm_settings *s)
{
    CLEANUP(free_addresses) struct addrinfo *list = NULL;
    struct sockaddr_storage own;
    socklen_t size = sizeof(own);
    char text[NI_MAXHOST];
    char *found = NULL;
    if (s->jobmanager_host == NULL ||
        resolve(s->jobmanager_host, s->jobmanager_port, SOCK_DGRAM, &list) != 0) {
        return NULL;
    }
    int fd = socket(list->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        if (connect(fd, list->ai_addr, list->ai_addrlen) == 0 && /* sends nothing */
            getsockname(fd, (struct sockaddr *)&own, &size) == 0 &&
            getnameinfo((struct sockaddr *)&own, size, text, sizeof(text), NULL, 0,
                        NI_NUMERICHOST) == 0) {
            found = mem_strdup(text);
        }
        close(fd);
    }
    return found;
}

static char *own_host(const struct tm_settings *s, const struct conf *conf)
{
    char name[HOST_NAME_MAX + 1] = "localhost";
    const char *configured = option_or_null(conf, "taskmanager.host");
    if (configured != NULL) {
        return mem_strdup(configured);
    }
    char *address = connecting_address(s);
    if (address != NULL) {
        return address;
    }
    (void)gethostname(name, sizeof(name) - 1);
    return mem_strdup(name);
}

static void set_names(struct tm_settings *s, const struct conf *conf)
{
    struct rng rng;
    STR_AUTO id = STR_INIT;
    STR_AUTO address = STR_INIT;
    const char *configured = option_or_null(conf, "taskmanager.resource-id");
    str_printf(&address, strchr(s->host, ':') != NULL ? "[%s]:%u" : "%s:%u", s->host, s->rpc_port);
    rng_init_system(&rng);
    str_printf(&id, "%s-%06x", str_cstr(&address), (unsigned)rng_below(&rng, 1 << 24));
    s->rpc_address = str_take(&address);
    s->resource_id = configured != NULL ? mem_strdup(configured) : str_take(&id);
}

static int check_name(const char *option, const char *text, struct error *err)
{
    if (strlen(text) > 255 || strpbrk(text, " \t\r\n/") != NULL) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "%s cannot be \"%s\": a name of at most 255 bytes without blanks and "
                         "slashes is expected",
                         option, text);
    }
    return 0;
}

/* ---- folders ------------------------------------------------------------------------------------ */

/* The first of some folders, which are between commas, colons or bars. */
static char *first_tmp_dir(const char *dirs)
{
    size_t n = strcspn(dirs, ",:|");
    struct slice first = slice_trim(slice_make(dirs, n));
    return first.len > 0 ? mem_strndup(first.data, first.len) : mem_strdup("/tmp");
}

/* All of them. */
static int set_local_parents(struct tm_settings *s, const char *dirs, struct error *err)
{
    struct slice rest = slice_cstr(dirs);
    while (rest.len > 0) {
        size_t n = 0;
        while (n < rest.len && strchr(",:|", rest.data[n]) == NULL) {
            n++;
        }
        struct slice one = slice_trim(slice_make(rest.data, n));
        n += n < rest.len;
        rest = slice_make(rest.data + n, rest.len - n);
        if (one.len == 0) {
            continue;
        }
        if (s->local_parents.n == LOCAL_DIRS_MAX) {
            return error_set(err, ERR_INVALID_CONFIG,
                             "execution.checkpointing.local-backup.dirs names more than %d folders",
                             LOCAL_DIRS_MAX);
        }
        char *path = mem_strndup(one.data, one.len);
        local_dirs_add(&s->local_parents, path);
        mem_free(path);
    }
    return 0;
}

static char *work_parent(const struct conf *conf)
{
    const char *configured = option_or_null(conf, "process.taskmanager.working-dir");
    return configured != NULL ? mem_strdup(configured)
                              : first_tmp_dir(conf_string(conf, "io.tmp.dirs"));
}

static char *non_empty_environment(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? mem_strdup(value) : NULL;
}

static void set_log_paths(struct tm_settings *s, const struct conf *conf)
{
    struct stat st;
    s->log_file = non_empty_environment("FLINC_LOG_FILE");
    s->out_file = non_empty_environment("FLINC_OUT_FILE");
    if (s->log_file != NULL && strrchr(s->log_file, '/') != NULL) {
        s->log_dir = mem_strndup(s->log_file, (size_t)(strrchr(s->log_file, '/') - s->log_file));
    } else {
        const char *configured = option_or_null(conf, "env.log.dir");
        s->log_dir = non_empty_environment("FLINK_LOG_DIR");
        if (s->log_dir == NULL) {
            s->log_dir = mem_strdup(configured);
        }
    }
    if (s->log_dir != NULL && (stat(s->log_dir, &st) != 0 || !S_ISDIR(st.st_mode))) {
        LOG_WARN(topic, "The log folder %s is not there; workers write to this process's output.",
                 s->log_dir);
        mem_free(s->log_dir);
        s->log_dir = NULL;
    }
}

int tm_settings_find_taskworker(struct tm_settings *s, struct error *err)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n < 0) {
        return error_set_errno(err, errno, "finding this program's folder");
    }
    self[n] = '\0';
    char *slash = strrchr(self, '/');
    STR_AUTO path = STR_INIT;
    str_printf(&path, "%.*s/flinc-taskworker", slash != NULL ? (int)(slash - self) : 0, self);
    if (access(str_cstr(&path), X_OK) != 0) {
        return error_set_errno(err, errno,
                               "The worker program %s cannot be run; install the whole "
                               "distribution",
                               str_cstr(&path));
    }
    s->taskworker_path = str_take(&path);
    return 0;
}

/* ---- the whole ---------------------------------------------------------------------------------- */

static int set_job_manager(struct tm_settings *s, const struct conf *conf, struct error *err)
{
    const char *host = option_or_null(conf, "jobmanager.rpc.address");
    int32_t port = conf_int(conf, "jobmanager.rpc.port");
    enum ha_kind kind;
    TRY(ha_kind_read(conf, &kind, err));
    if (kind != HA_NONE) { /* where it is says high availability */
        s->jobmanager_address = mem_strdup("the leader's address");
        s->jobmanager_host = host != NULL ? mem_strdup(host) : NULL;
        s->jobmanager_port = 1;
        return 0;
    }
    if (host == NULL) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "jobmanager.rpc.address is not set: it says on which host the job manager "
                         "runs. Set it in config.yaml or by -D jobmanager.rpc.address=HOST.");
    }
    if (port < 1 || port > UINT16_MAX) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "jobmanager.rpc.port cannot be %d: a port from 1 to 65535 is expected",
                         port);
    }
    STR_AUTO address = STR_INIT;
    s->jobmanager_port = (uint32_t)port;
    s->jobmanager_host = mem_strdup(host);
    str_printf(&address, strchr(host, ':') != NULL ? "[%s]:%d" : "%s:%d", host, port);
    s->jobmanager_address = str_take(&address);
    return 0;
}

static int set_data_ports(struct tm_settings *s, const struct conf *conf, struct error *err)
{
    const char *bind = option_or_null(conf, "taskmanager.data.bind-port");
    int32_t port = conf_int(conf, "taskmanager.data.port");
    if (port < 0 || port > UINT16_MAX) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "taskmanager.data.port cannot be %d: a port up to 65535 is expected, or 0 "
                         "for a free one",
                         port);
    }
    if (bind != NULL) {
        s->data_advertised = (uint32_t)port;
        return tm_parse_port_range("taskmanager.data.bind-port", bind, &s->data_first,
                                   &s->data_last, err);
    }
    s->data_first = s->data_last = (uint32_t)port;
    return 0;
}

static int fill(struct tm_settings *s, const struct conf *conf, struct error *err)
{
    const char *bind_host = option_or_null(conf, "taskmanager.bind-host");
    TRY(set_job_manager(s, conf, err));
    TRY(set_data_ports(s, conf, err));
    s->bind_host = mem_strdup(bind_host != NULL ? bind_host : "0.0.0.0");
    s->host = own_host(s, conf);
    TRY(check_name("taskmanager.host", s->host, err));
    if (s->data_advertised > 0) {
        STR_AUTO address = STR_INIT;
        str_printf(&address, strchr(s->host, ':') != NULL ? "[%s]:%u" : "%s:%u", s->host,
                   s->data_advertised);
        s->data_address = str_take(&address);
    }
    TRY(hold_rpc_port(s, conf, err));
    set_names(s, conf);
    TRY(check_name("taskmanager.resource-id", s->resource_id, err));
    s->work_parent = work_parent(conf);
    const char *local = option_or_null(conf, "execution.checkpointing.local-backup.dirs");
    TRY(set_local_parents(s, local != NULL ? local : "", err));
    set_log_paths(s, conf);
    return 0;
}

int tm_settings_init(struct tm_settings *s, const struct conf *conf, struct error *err)
{
    *s = (struct tm_settings){.rpc_fd = -1};
    int rc = fill(s, conf, err);
    if (rc < 0) {
        tm_settings_fini(s);
    }
    return rc;
}

void tm_settings_fini(struct tm_settings *s)
{
    char **const texts[] = {
        &s->jobmanager_host, &s->jobmanager_address, &s->host,    &s->bind_host, &s->resource_id,
        &s->rpc_address,     &s->work_parent,        &s->log_dir, &s->log_file,  &s->out_file,
        &s->taskworker_path, &s->data_address,
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        mem_free(*texts[i]);
        *texts[i] = NULL;
    }
    local_dirs_fini(&s->local_parents);
    if (s->rpc_fd > 0) {
        close(s->rpc_fd);
    }
    s->rpc_fd = -1;
}
