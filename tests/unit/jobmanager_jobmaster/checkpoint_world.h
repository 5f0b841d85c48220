/* The world of a job master (world.h) with checkpoints: a job of one source and one counter in two workers,
 * whose files lie in a folder of their own. */
#ifndef FLINC_TESTS_UNIT_JOBMANAGER_JOBMASTER_CHECKPOINT_WORLD_H
#define FLINC_TESTS_UNIT_JOBMANAGER_JOBMASTER_CHECKPOINT_WORLD_H

#include "common/fs/fs.h"
#include "jobmanager/jobmaster/job_details.h"
#include "tests/unit/jobmanager_jobmaster/world.h"
#include <stdlib.h>
#include <unistd.h>

#define JOB_DIR "6a010000000000000000000000000000" /* graph_id('j', 1) in hex */

struct answer {
    uint32_t n;
    int rc;
    uint64_t id;
    char message[ERROR_MESSAGE_MAX];
    char path[512];
};

static inline void on_answer(void *arg, const struct checkpoint_result *result)
{
    struct answer *a = arg;
    a->n++;
    a->rc = result->rc;
    a->id = result->checkpoint_id;
    snprintf(a->message, sizeof(a->message), "%s", result->error.message);
    snprintf(a->path, sizeof(a->path), "%s", result->path != NULL ? result->path : "");
}

static inline Flinc__JobGraph *graph_with_coordinator(void)
{
    static const struct vertex_spec vertices[] = {{"Source", 2, NULL, "test.coordinator"},
                                                  {"Count", 3, NULL, NULL}};
    static const struct edge_spec edges[] = {{0, 1, FLINC__PARTITIONER_KIND__PARTITION_REBALANCE,
                                              FLINC__EXCHANGE_MODE__EXCHANGE_PIPELINED}};
    return graph_new(vertices, 2, edges, 1);
}

struct checkpoint_world {
    struct world w;
    char dir[256];
};

/* Takes the graph. */
static inline void cw_init_graph(struct checkpoint_world *cw, Flinc__JobGraph *take_graph)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(cw->dir, sizeof(cw->dir), "%s/flinc-checkpoints-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(cw->dir));
    world_init(&cw->w, take_graph);
    cw->w.coordination.keeps_state = true;
    cw->w.coordination.state = "splits";
    world_set(&cw->w, "execution.checkpointing.interval", "1 s");
    world_set(&cw->w, "execution.checkpointing.dir", cw->dir);
    world_set(&cw->w, "restart-strategy.type", "fixed-delay");
    world_set(&cw->w, "restart-strategy.fixed-delay.attempts", "100");
    world_set(&cw->w, "restart-strategy.fixed-delay.delay", "10 ms");
}

static inline void cw_init(struct checkpoint_world *cw)
{
    cw_init_graph(cw, graph_with_coordinator());
}

static inline void cw_start(struct checkpoint_world *cw)
{
    world_add_worker(&cw->w, 2, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    world_add_worker(&cw->w, 2, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    world_start(&cw->w);
}

static inline void cw_fini(struct checkpoint_world *cw)
{
    struct error err = ERROR_INIT;
    world_fini(&cw->w);
    assert_int_equal(fs_delete(cw->dir, FS_DELETE_RECURSIVE, &err), 0);
}

static inline uint64_t cw_last_trigger(const struct checkpoint_world *cw)
{
    return MAX(cw->w.workers[0].last_trigger, cw->w.workers[1].last_trigger);
}

/* All live tasks acknowledge: "<vertex letter><subtask>@<id>". */
static inline void cw_ack_all(struct checkpoint_world *cw, uint64_t id)
{
    for (uint32_t i = 0; i < cw->w.n_workers; i++) {
        for (size_t j = 0; j < cw->w.workers[i].tasks.len; j++) {
            struct fake_task *t = vec_ptr(&cw->w.workers[i].tasks, j);
            char text[32];
            snprintf(text, sizeof(text), "%c%u@%llu", t->vertex[0], t->subtask,
                     (unsigned long long)id);
            if (t->state == RUNNING) {
                task_acknowledge(t, id, text);
            }
        }
    }
    world_settle(&cw->w);
}

/* Goes on until the next periodic checkpoint is triggered; returns its id. */
static inline uint64_t cw_next_trigger(struct checkpoint_world *cw)
{
    uint64_t before = cw_last_trigger(cw);
    for (int i = 0; i < 100 && cw_last_trigger(cw) == before; i++) {
        world_advance(&cw->w, 50);
    }
    assert_true(cw_last_trigger(cw) > before);
    return cw_last_trigger(cw);
}

static inline uint64_t cw_complete_one(struct checkpoint_world *cw)
{
    uint64_t id = cw_next_trigger(cw);
    cw_ack_all(cw, id);
    return id;
}

static inline bool cw_exists(const struct checkpoint_world *cw, const char *fmt, uint64_t id)
{
    char name[256], path[600];
    snprintf(name, sizeof(name), fmt, (unsigned long long)id);
    snprintf(path, sizeof(path), "%s/%s/%s", cw->dir, JOB_DIR, name);
    return access(path, F_OK) == 0;
}
#define METADATA "chk-%llu/_metadata"

static inline const struct job_details *cw_details(struct checkpoint_world *cw)
{
    const struct job_details *d = NULL;
    struct error err = ERROR_INIT;
    assert_int_equal(jobmaster_get_details(cw->w.jm, 1000, &d, &err), 0);
    world_settle(&cw->w);
    return d;
}

/* How many notices of this kind and checkpoint all workers got together. */
static inline uint32_t cw_n_notices(const struct checkpoint_world *cw,
                                    Flinc__CheckpointNotice notice, uint64_t id)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < cw->w.n_workers; i++) {
        const struct vec *v = &cw->w.workers[i].notices;
        for (size_t j = 0; j < v->len; j++) {
            const struct fake_notice *f = VEC_AT(v, struct fake_notice, j);
            n += f->notice == notice && f->checkpoint_id == id;
        }
    }
    return n;
}
#define COMPLETE FLINC__CHECKPOINT_NOTICE__CHECKPOINT_NOTICE_COMPLETE
#define ABORTED FLINC__CHECKPOINT_NOTICE__CHECKPOINT_NOTICE_ABORTED
#define SUBSUMED FLINC__CHECKPOINT_NOTICE__CHECKPOINT_NOTICE_SUBSUMED

static inline bool cw_logged(const struct checkpoint_world *cw, const char *text)
{
    return strstr(str_cstr(&cw->w.coordination.log), text) != NULL;
}

/* A task fails in a way that a restart heals; the job runs again afterwards. */
static inline void cw_fail_task(struct checkpoint_world *cw, const char *vertex, uint32_t subtask)
{
    struct error why = test_error(ERR_IO, "the disk hiccuped");
    task_say_error(world_task(&cw->w, vertex, subtask), FAILED, &why);
    world_settle(&cw->w);
    world_advance(&cw->w, 20);
}

#endif
