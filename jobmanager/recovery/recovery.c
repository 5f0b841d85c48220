/* Graphs, checkpoints, the list of jobs; see recovery.h. */
#include "engine/graph/job_graph.h"
#include "jobmanager/recovery/recovery_internal.h"
#include <stdlib.h>

void recovery_name(struct str *ret, const char *folder, const char *job_hex, const char *rest)
{
    str_clear(ret);
    str_printf(ret, "%s/%s%s", folder, job_hex, rest);
}

/* ---- checkpoints ------------------------------------------------------------------------------------ */

int recovery_check_goes_on(const struct recovery *r, const char *job_hex, struct error *err)
{
    return map_has(&r->ended, job_hex) && !PLANTED("recovery.writes_after_the_end")
               ? error_set(err, ERR_CANCELLED, "job %s has ended", job_hex)
               : 0;
}

/* Under the lock. */
static void note_reserved(struct recovery *r, const char *job_hex, uint64_t next_id)
{
    uint64_t *highest = MEM_NEW(uint64_t);
    *highest = next_id;
    (void)map_put(&r->reserved, job_hex, highest);
}

/* Of two at the same time the lower one may come last: it must not take the other one's number back. */
static int reserve_number(void *arg, const char *job_hex, uint64_t next_id, struct error *err)
{
    struct recovery *r = arg;
    STR_AUTO name = STR_INIT;
    STR_AUTO text = STR_INIT;
    recovery_name(&name, "jobs", job_hex, "/checkpoint_id_counter");
    str_printf(&text, "%llu", (unsigned long long)next_id);
    pthread_mutex_lock(&r->lock);
    int rc = recovery_check_goes_on(r, job_hex, err);
    uint64_t *highest = map_find(&r->reserved, job_hex);
    if (rc == 0 && (highest == NULL || *highest < next_id || PLANTED("recovery.numbers_go_back"))) {
        rc = ha_put(r->ha, &r->token, str_cstr(&name), str_slice(&text), err);
        if (rc == 0) {
            note_reserved(r, job_hex, next_id);
        }
    }
    pthread_mutex_unlock(&r->lock);
    return rc;
}

static void checkpoint_name(struct str *ret, const char *job_hex, uint64_t id)
{
    STR_AUTO rest = STR_INIT;
    str_printf(&rest, "/checkpoints/%019llu", (unsigned long long)id);
    recovery_name(ret, "jobs", job_hex, str_cstr(&rest));
}

static int add_checkpoint(void *arg, const char *job_hex, uint64_t id, struct slice value,
                          struct error *err)
{
    struct recovery *r = arg;
    STR_AUTO name = STR_INIT;
    checkpoint_name(&name, job_hex, id);
    pthread_mutex_lock(&r->lock);
    int rc = recovery_check_goes_on(r, job_hex, err);
    if (rc == 0) {
        rc = ha_create(r->ha, &r->token, str_cstr(&name), value, err);
    }
    pthread_mutex_unlock(&r->lock);
    return rc;
}

static int remove_checkpoint(void *arg, const char *job_hex, uint64_t id, struct error *err)
{
    struct recovery *r = arg;
    STR_AUTO name = STR_INIT;
    checkpoint_name(&name, job_hex, id);
    int rc = ha_remove(r->ha, &r->token, str_cstr(&name), err);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static int end_of_job(void *arg, const char *job_hex, const char *status, bool checkpoints_go,
                      struct error *err)
{
    return results_end_job(arg, job_hex, status, checkpoints_go, true, err);
}

static void files_are_gone(void *arg, const char *job_hex)
{
    results_let_go(arg, job_hex);
}

static int get_checkpoints(struct recovery *r, const char *job_hex, struct checkpoint_recovery *ret,
                           struct error *err)
{
    STR_AUTO name = STR_INIT;
    STR_AUTO value = STR_INIT;
    struct vec ids = VEC_INIT(char *);
    recovery_name(&name, "jobs", job_hex, "/checkpoint_id_counter");
    int rc = ha_get(r->ha, &r->token, str_cstr(&name), &value, err);
    if (rc == 0 && !PLANTED("recovery.forgets_the_counter")) {
        ret->next_id = strtoull(str_cstr(&value), NULL, 10);
    }
    if (rc == 0 || rc == ERR_NOT_FOUND) {
        recovery_name(&name, "jobs", job_hex, "/checkpoints");
        rc = ha_list(r->ha, &r->token, str_cstr(&name), &ids, err);
    }
    for (size_t i = 0; rc == 0 && i < ids.len; i++) {
        struct checkpoint_pointer *p = VEC_PUSH(&ret->pointers, struct checkpoint_pointer);
        p->id = strtoull(vec_ptr(&ids, i), NULL, 10);
        checkpoint_name(&name, job_hex, p->id);
        rc = ha_get(r->ha, &r->token, str_cstr(&name), &p->value, err);
    }
    ha_names_fini(&ids);
    return rc;
}

/* ---- life ------------------------------------------------------------------------------------------- */

struct recovery *recovery_new(const struct recovery_options *options)
{
    struct recovery *r = MEM_NEW(struct recovery);
    r->ha = options->ha;
    r->token = options->token;
    r->blobs = options->blobs;
    r->tmp_dir = mem_strdup(options->tmp_dir);
    r->keeps_results =
        options->keeps_results || !conf_bool(options->conf, "job-result-store.delete-on-commit");
    r->pointers = (struct checkpoint_pointers){
        .arg = r,
        .reserve = reserve_number,
        .add = add_checkpoint,
        .remove = remove_checkpoint,
        .end_job = end_of_job,
        .files_are_gone = files_are_gone,
    };
    pthread_mutex_init(&r->lock, NULL);
    map_init(&r->ended, mem_free);
    map_init(&r->reserved, mem_free);
    return r;
}

struct recovery *recovery_free(struct recovery *r)
{
    if (r != NULL) {
        map_fini(&r->ended);
        map_fini(&r->reserved);
        pthread_mutex_destroy(&r->lock);
        mem_free(r->tmp_dir);
        mem_free(r);
    }
    return NULL;
}

const struct checkpoint_pointers *recovery_pointers(struct recovery *r)
{
    return &r->pointers;
}

void recovered_job_fini(struct recovered_job *job, struct blob_store *blobs)
{
    for (uint32_t i = 0; i < job->n_blobs; i++) {
        blob_store_unref(blobs, &job->blobs[i]);
    }
    mem_free(job->blobs);
    if (job->graph != NULL) {
        flinc__job_graph__free_unpacked(job->graph, NULL);
    }
    checkpoint_recovery_fini(&job->checkpoints);
    vec_fini(&job->requirements);
    *job = (struct recovered_job){.graph = NULL};
}

/* ---- graphs ----------------------------------------------------------------------------------------- */

static void job_hex_of(const Flinc__JobGraph *graph, char ret_hex[ID_HEX_LEN + 1])
{
    struct flinc_id id;
    ASSERT(graph->job_id.len == sizeof(id.bytes));
    memcpy(id.bytes, graph->job_id.data, sizeof(id.bytes));
    id_format(&id, ret_hex);
}

/* The graph with the hashes of its bundles, by which they are found again. */
static void pack_graph(const Flinc__JobGraph *graph, const struct blob_key *blobs,
                       struct str *ret_bytes)
{
    Flinc__JobGraph copy = *graph;
    Flinc__Library *libraries = MEM_NEW_ARRAY(Flinc__Library, graph->n_libraries + 1);
    Flinc__Library **list = MEM_NEW_ARRAY(Flinc__Library *, graph->n_libraries + 1);
    for (size_t i = 0; i < graph->n_libraries; i++) {
        libraries[i] = *graph->libraries[i];
        libraries[i].content_hash =
            (ProtobufCBinaryData){sizeof(blobs[i].hash), (uint8_t *)blobs[i].hash};
        list[i] = &libraries[i];
    }
    copy.libraries = list;
    size_t size = flinc__job_graph__get_packed_size(&copy);
    str_reserve(ret_bytes, size + 1);
    ret_bytes->len = flinc__job_graph__pack(&copy, (uint8_t *)ret_bytes->data);
    ret_bytes->data[ret_bytes->len] = '\0';
    mem_free(list);
    mem_free(libraries);
}

static int check_new(struct recovery *r, const char *hex, struct error *err)
{
    bool dirty;
    int rc = results_find(r, hex, &dirty, err);
    return rc == 1 ? error_set(err, ERR_ALREADY_EXISTS,
                               "Job %s has ended already, as high availability remembers; submit "
                               "this one under another job id.",
                               hex)
                   : rc;
}

int recovery_put_job(struct recovery *r, const Flinc__JobGraph *graph, const struct blob_key *blobs,
                     uint32_t n_blobs, struct error *err)
{
    char hex[ID_HEX_LEN + 1];
    STR_AUTO name = STR_INIT;
    STR_AUTO bytes = STR_INIT;
    job_hex_of(graph, hex);
    recovery_name(&name, "jobgraphs", hex, "");
    TRY(check_new(r, hex, err));
    TRY(FAILPOINT(err, "recovery.put.before_bundles"));
    TRY_CTX(err, bundles_keep(r, hex, blobs, n_blobs, err), "keeping the bundles of job %s", hex);
    pack_graph(graph, blobs, &bytes);
    int rc = FAILPOINT(err, "recovery.put.before_graph");
    if (rc == 0) {
        rc = ha_create(r->ha, &r->token, str_cstr(&name), str_slice(&bytes), err);
    }
    if (rc < 0 && rc != ERR_TIMEOUT && rc != ERR_ALREADY_EXISTS && rc != ERR_FENCED) {
        bundles_delete(r, hex);
    }
    if (rc < 0) {
        error_context(err, "keeping the graph of job %s for the next leader", hex);
    }
    return rc < 0 ? rc : FAILPOINT(err, "recovery.put.after_graph");
}

static int get_graph(struct recovery *r, const char *job_hex, struct recovered_job *ret,
                     struct error *err)
{
    STR_AUTO name = STR_INIT;
    STR_AUTO bytes = STR_INIT;
    recovery_name(&name, "jobgraphs", job_hex, "");
    TRY(ha_get(r->ha, &r->token, str_cstr(&name), &bytes, err));
    TRY_CTX(err, job_graph_decode((const uint8_t *)bytes.data, bytes.len, &ret->graph, err),
            "reading the graph of job %s from high availability", job_hex);
    ret->blobs = MEM_NEW_ARRAY(struct blob_key, ret->graph->n_libraries + 1);
    for (size_t i = 0; i < ret->graph->n_libraries; i++) {
        TRY_CTX(err,
                bundles_fetch(r, job_hex, ret->graph->libraries[i]->content_hash,
                              &ret->blobs[ret->n_blobs], err),
                "fetching the bundle %s of job %s", ret->graph->libraries[i]->name, job_hex);
        ret->n_blobs++;
    }
    return 0;
}

int recovery_get_job(struct recovery *r, const char *job_hex, struct recovered_job *ret,
                     struct error *err)
{
    struct recovered_job job = {.checkpoints = CHECKPOINT_RECOVERY_INIT,
                                .requirements = VEC_INIT(struct job_requirement)};
    int rc = FAILPOINT(err, "recovery.get.before");
    if (rc == 0) {
        rc = get_graph(r, job_hex, &job, err);
    }
    if (rc == 0) {
        rc = get_checkpoints(r, job_hex, &job.checkpoints, err);
    }
    if (rc == 0) {
        rc = requirements_fetch(r, job_hex, &job.requirements, err);
    }
    if (rc < 0) {
        recovered_job_fini(&job, r->blobs);
        return rc;
    }
    *ret = job;
    return 0;
}

int recovery_list_jobs(struct recovery *r, const struct recovery_left *left, struct vec *ret_hexes,
                       struct error *err)
{
    bool runs_all = PLANTED("recovery.runs_what_has_ended");
    if (!runs_all) {
        results_clean(r, left);
    }
    TRY(ha_list(r->ha, &r->token, "jobgraphs", ret_hexes, err));
    for (size_t i = ret_hexes->len; i > 0; i--) {
        char *hex = vec_ptr(ret_hexes, i - 1);
        bool dirty;
        int rc = results_find(r, hex, &dirty, err);
        TRY(rc);
        if (rc == 1 &&
            !runs_all) { /* what could not be removed now is removed by the next leader */
            mem_free(hex);
            vec_remove(ret_hexes, i - 1);
        }
    }
    return 0;
}
