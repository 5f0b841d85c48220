/* A WebHDFS server in memory, for tests: two name nodes on ports of their own, which redirect to a data node, over one tree of files; and faults
 * on demand.  Like the real one it keeps what came of a file whose connection broke.  Thread: any. */
#ifndef FLINC_TESTS_UNIT_COMMON_FS_HDFS_FAKE_HDFS_H
#define FLINC_TESTS_UNIT_COMMON_FS_HDFS_FAKE_HDFS_H

#include "common/base/map.h"
#include "common/base/str.h"
#include "common/base/vec.h"

#include <pthread.h>

enum fake_fault {
    FAKE_NONE,
    FAKE_BUSY,      /* 503 */
    FAKE_SAFE_MODE, /* 403 SafeModeException */
    FAKE_RETRIABLE, /* 403 RetriableException */
    FAKE_STANDBY,   /* 403 StandbyException */
    FAKE_DENIED,    /* 403 AccessControlException */
    FAKE_QUOTA,     /* 403 DSQuotaExceededException */
    FAKE_RESET,     /* no answer; nothing was done */
    FAKE_LOST,      /* it is done, and the answer is lost */
    FAKE_CUT,       /* half of the answer */
    FAKE_HALF,      /* half of what is sent is kept as the file, and the connection ends */
    FAKE_LOOP,      /* redirected for ever */
    FAKE_NO_CONCAT, /* 403, as in a zone of encryption */
};

struct fake_node {
    bool is_folder;
    struct str bytes;
};

struct fake_hdfs {
    int listeners[2];
    uint16_t ports[2];
    pthread_t threads[2];
    pthread_mutex_t lock; /* of all below */
    struct map nodes;     /* "/a/b": struct fake_node */
    uint32_t active;      /* the other one is on standby; 2: none is */
    bool is_gateway;      /* HttpFS: no options of renames, itself the data node, no pages */
    enum fake_fault fault;
    const char *fault_op; /* of these alone; NULL: all */
    int fault_stage;      /* 1: at the name node, 2: at the data node, 0: both */
    uint32_t n_faults;    /* of the next n of those */
    uint32_t n_requests;
    char last_query[1024], last_path[512];
    struct vec connections; /* int */
    uint32_t n_threads;
    pthread_cond_t thread_ended;
};

void fake_hdfs_start(struct fake_hdfs *s);
/* The schemes of the process are of this server from now on: hdfs://fake is the pair; keys and values more, NULL at the end. */
void fake_hdfs_configure(const struct fake_hdfs *s, const char *const *more);
void fake_hdfs_stop(struct fake_hdfs *s);
void fake_hdfs_fail(struct fake_hdfs *s, enum fake_fault fault, const char *op, int stage,
                    uint32_t n);
/* The bytes of a file; NULL: there is none. */
const struct str *fake_hdfs_find(struct fake_hdfs *s, const char *path);
uint32_t fake_hdfs_count(struct fake_hdfs *s); /* files */
void fake_hdfs_put(struct fake_hdfs *s, const char *path, struct slice bytes);

#endif
