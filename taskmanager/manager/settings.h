/* What a task manager's process takes from its configuration and surroundings: names, addresses, ports and
 * folders.
 *
 * taskmanager.rpc.port is bound but not listened on: all control goes over the stream to the job manager,
 * so nobody connects here.  The port keeps two task managers of one host apart (it is part of the resource
 * id and of what REST shows as path), as it does in Flink.
 * Thread: main.  Flink: TaskManagerServicesConfiguration, TaskManagerRunner. */
#ifndef FLINC_TASKMANAGER_MANAGER_SETTINGS_H
#define FLINC_TASKMANAGER_MANAGER_SETTINGS_H

#include "common/conf/conf.h"
#include "engine/snapshot/local_dirs.h"

struct tm_settings {
    char *jobmanager_host, *jobmanager_address; /* Owns; "localhost", "localhost:6123" */
    uint32_t jobmanager_port;
    char *host, *bind_host;          /* Owns; that others reach it by; that it listens on */
    uint32_t rpc_port;               /* held by rpc_fd */
    int rpc_fd;                      /* Owns */
    char *resource_id, *rpc_address; /* Owns; "localhost:41233-a1b2c3", "localhost:41233" */
    uint32_t data_first, data_last;  /* 0, 0: any */
    uint32_t data_advertised;        /* what others connect to (a proxy's); 0: the one bound */
    char *data_address;              /* Owns; "localhost:data_advertised"; NULL: the one bound */
    char *work_parent;               /* Owns; where the work folder is made */
    struct local_dirs
        local_parents; /* Owns; where those of local state are; empty: in the work folder */
    char *log_dir, *log_file, *out_file; /* Owns; NULL: none */
    char *taskworker_path;               /* Owns; NULL: not looked for */
};

int tm_settings_init(struct tm_settings *s, const struct conf *conf, struct error *err) MUST_CHECK;
/* libexec/flinc-taskworker, which lies beside this program. */
int tm_settings_find_taskworker(struct tm_settings *s, struct error *err) MUST_CHECK;
void tm_settings_fini(struct tm_settings *s); /* zeroed ones too */

/* "50100", "50100-50200"; the first range of a list.  0: any. */
int tm_parse_port_range(const char *option, const char *text, uint32_t *ret_first,
                        uint32_t *ret_last, struct error *err) MUST_CHECK;

#endif
