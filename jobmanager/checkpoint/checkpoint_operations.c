/* Operations by trigger id, and disposal of savepoints; see checkpoint_request.h. */
#include "common/base/map.h"
#include "common/fs/fs.h"
#include "engine/snapshot/metadata.h"
#include "jobmanager/checkpoint/checkpoint_request.h"
#include <pthread.h>
#include <stdio.h>

/* What an operation is found by. */
struct operation_key {
    uint32_t kind;
    struct flinc_id job_id, trigger_id;
};

struct operation {
    struct checkpoint_operations *ops; /* Borrows */
    struct operation_key key;
    struct checkpoint_operation state;
    int64_t keep_until_ms; /* monotonic; ended ones */
};

struct checkpoint_operations {
    const struct clock *clock; /* Borrows */
    int64_t keep_ms;
    pthread_mutex_t lock; /* guards the following; a leaf */
    struct map by_key;    /* Owns: struct operation *; oldest first */
    uint32_t n_under_way;
};

void checkpoint_operation_fini(struct checkpoint_operation *op)
{
    mem_free(op->path);
    *op = (struct checkpoint_operation){.path = NULL};
}

static void operation_free(void *value)
{
    struct operation *op = value;
    checkpoint_operation_fini(&op->state);
    mem_free(op);
}

struct checkpoint_operations *checkpoint_operations_new(const struct clock *clock, int64_t keep_ms)
{
    struct checkpoint_operations *ops = MEM_NEW(struct checkpoint_operations);
    ops->clock = clock != NULL ? clock : &clock_system;
    ops->keep_ms = keep_ms;
    pthread_mutex_init(&ops->lock, NULL);
    map_init(&ops->by_key, operation_free);
    return ops;
}

struct checkpoint_operations *checkpoint_operations_free(struct checkpoint_operations *ops)
{
    if (ops != NULL) {
        ASSERT(ops->n_under_way == 0);
        map_fini(&ops->by_key);
        pthread_mutex_destroy(&ops->lock);
        mem_free(ops);
    }
    return NULL;
}

/* Without holes: equal keys have equal bytes. */
static struct operation_key make_key(enum checkpoint_operation_kind kind,
                                     const struct flinc_id *job_id,
                                     const struct flinc_id *trigger_id)
{
    return (struct operation_key){(uint32_t)kind, *job_id, *trigger_id};
}
_Static_assert(sizeof(struct operation_key) == 36, "no padding in keys");

/* Under the lock. */
static void forget_old(struct checkpoint_operations *ops)
{
    int64_t now_ms = clock_monotonic_ms(ops->clock);
    MAP_FOREACH (&ops->by_key, e) {
        const struct operation *op = e->value;
        bool too_many = ops->by_key.len >= CHECKPOINT_OPERATIONS_MAX;
        if (op->state.ended && (too_many || op->keep_until_ms <= now_ms)) {
            struct operation_key key = op->key;
            (void)map_remove_bytes(&ops->by_key, &key, sizeof(key));
        }
    }
}

int checkpoint_operations_begin(struct checkpoint_operations *ops,
                                enum checkpoint_operation_kind kind, const struct flinc_id *job_id,
                                const struct flinc_id *trigger_id, void **ret_ticket,
                                struct error *err)
{
    struct operation_key key = make_key(kind, job_id, trigger_id);
    int rc = 0;
    pthread_mutex_lock(&ops->lock);
    forget_old(ops);
    if (map_find_bytes(&ops->by_key, &key, sizeof(key)) != NULL) {
        rc = 0;
    } else if (ops->by_key.len >= CHECKPOINT_OPERATIONS_MAX) {
        rc = ERR_LIMIT;
    } else {
        struct operation *op = MEM_NEW(struct operation);
        op->ops = ops;
        op->key = key;
        (void)map_put_bytes(&ops->by_key, &key, sizeof(key), op);
        ops->n_under_way++;
        *ret_ticket = op;
        rc = 1;
    }
    pthread_mutex_unlock(&ops->lock);
    return rc < 0 ? error_set(err, rc, "%d operations are under way; try again later",
                              CHECKPOINT_OPERATIONS_MAX)
                  : rc;
}

void checkpoint_operations_end(void *ticket, const struct checkpoint_result *result)
{
    struct operation *op = ticket;
    struct checkpoint_operations *ops = op->ops;
    pthread_mutex_lock(&ops->lock);
    ASSERT(!op->state.ended);
    op->state.ended = true;
    op->state.rc = result->rc;
    error_copy(&op->state.error, &result->error);
    op->state.checkpoint_id = result->checkpoint_id;
    op->state.path = result->path != NULL ? mem_strdup(result->path) : NULL;
    op->keep_until_ms = clock_monotonic_ms(ops->clock) + ops->keep_ms;
    ops->n_under_way--;
    pthread_mutex_unlock(&ops->lock);
}

int checkpoint_operations_get(struct checkpoint_operations *ops,
                              enum checkpoint_operation_kind kind, const struct flinc_id *job_id,
                              const struct flinc_id *trigger_id, struct checkpoint_operation *ret,
                              struct error *err)
{
    struct operation_key key = make_key(kind, job_id, trigger_id);
    pthread_mutex_lock(&ops->lock);
    forget_old(ops);
    const struct operation *op = map_find_bytes(&ops->by_key, &key, sizeof(key));
    if (op != NULL) {
        *ret = op->state;
        ret->path = op->state.path != NULL ? mem_strdup(op->state.path) : NULL;
    }
    pthread_mutex_unlock(&ops->lock);
    if (op == NULL) {
        char hex[ID_HEX_LEN + 1];
        id_format(trigger_id, hex);
        return error_set(err, ERR_NOT_FOUND, "Operation %s not found", hex);
    }
    return 0;
}

/* ---- disposal ------------------------------------------------------------------------------------- */

/* Shared files beside other checkpoints of the job may be theirs, too: then they stay. */
static int is_last_of_job(const char *directory, bool *ret, struct error *err)
{
    STR_AUTO parent = STR_INIT;
    struct fs_list list = FS_LIST_INIT;
    const char *slash = strrchr(directory, '/');
    if (slash == NULL) {
        *ret = false;
        return 0;
    }
    str_append(&parent, directory, (size_t)(slash - directory));
    TRY(fs_list_dir(str_cstr(&parent), &list, err));
    uint32_t n_checkpoints = 0;
    for (size_t i = 0; i < list.n; i++) {
        n_checkpoints += cstr_starts_with(list.entries[i].name, "chk-");
    }
    fs_list_fini(&list);
    *ret = n_checkpoints <= 1;
    return 0;
}

static bool delete_shared(void *arg, const char *uri)
{
    return *(const bool *)arg;
}

int savepoint_dispose(const char *path, struct error *err)
{
    Flinc__CheckpointMetadata *m = NULL;
    STR_AUTO directory = STR_INIT;
    bool last = false;
    TRY_CTX(err, metadata_read(path, &m, &directory, err), "disposing of %s", path);
    int rc = is_last_of_job(str_cstr(&directory), &last, err);
    if (rc == 0) {
        rc = snapshot_delete(m, str_cstr(&directory), delete_shared, &last, err);
    }
    flinc__checkpoint_metadata__free_unpacked(m, NULL);
    return rc;
}
