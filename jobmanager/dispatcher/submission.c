/* A submitted graph becomes a job, or is refused; see dispatcher.h.
 *
 * Everything that decides runs on the dispatcher's thread, one submission after the other: of two at the
 * same time with one id the second meets the first's job.  A submission that is refused gives back its
 * own references of blobs and nothing else, so that it cannot hurt the job that is there. */
#include "engine/graph/job_graph.h"
#include "jobmanager/dispatcher/dispatcher_internal.h"
#include <stdio.h>
#include <stdlib.h>

void job_submission_fini(struct job_submission *s, struct blob_store *blobs)
{
    for (uint32_t i = 0; i < s->n_blobs; i++) {
        blob_store_unref(blobs, &s->blobs[i]);
    }
    mem_free(s->blobs);
    if (s->recovered != NULL) {
        checkpoint_recovery_fini(s->recovered);
        mem_free(s->recovered);
    }
    vec_fini(&s->requirements);
    if (s->graph != NULL) {
        flinc__job_graph__free_unpacked(s->graph, NULL);
    }
    *s = (struct job_submission){.graph = NULL};
}

/* Where a library lay when the graph was made, and who waits for the job, is not part of what the job is. */
void job_fingerprint_of(const Flinc__JobGraph *graph, struct job_fingerprint *ret)
{
    Flinc__JobGraph copy = *graph;
    Flinc__Library *libraries = MEM_NEW_ARRAY(Flinc__Library, graph->n_libraries + 1);
    Flinc__Library **list = MEM_NEW_ARRAY(Flinc__Library *, graph->n_libraries + 1);
    for (size_t i = 0; i < graph->n_libraries; i++) {
        libraries[i] = *graph->libraries[i];
        libraries[i].path = (char *)protobuf_c_empty_string;
        libraries[i].content_hash = (ProtobufCBinaryData){0, NULL};
        list[i] = &libraries[i];
    }
    copy.libraries = list;
    copy.initial_client_heartbeat_timeout_ms = 0;
    size_t size = flinc__job_graph__get_packed_size(&copy);
    uint8_t *bytes = mem_alloc(size + 1);
    (void)flinc__job_graph__pack(&copy, bytes);
    ret->words[0] = hash_bytes(bytes, size, 1);
    ret->words[1] = hash_bytes(bytes, size, 2);
    mem_free(bytes);
    mem_free(list);
    mem_free(libraries);
}

/* ---- duplicates --------------------------------------------------------------------------------- */

/* 1: the same job is here already; 0: the id is free. */
static int check_duplicate(struct dispatcher *d, const struct flinc_id *id,
                           const struct job_fingerprint *fingerprint, struct error *err)
{
    struct job_fingerprint other;
    struct job_overview overview;
    char hex[ID_HEX_LEN + 1];
    id_format(id, hex);
    pthread_mutex_lock(&d->lock);
    const struct dispatched_job *j = dispatcher_find(d, id);
    if (j != NULL) {
        overview = j->overview;
        other = j->fingerprint;
    }
    pthread_mutex_unlock(&d->lock);
    if ((j == NULL && !job_store_find(d->store, id, &overview, &other)) ||
        PLANTED("dispatcher.takes_any_id")) {
        return 0;
    }
    if (memcmp(&other, fingerprint, sizeof(other)) == 0) {
        LOG_INFO(DISPATCHER_TOPIC,
                 "Job '%s' (%s) was submitted again: it is the same job, which is %s.",
                 overview.name, hex, job_status_name(overview.status));
        return 1;
    }
    if (job_status_is_globally_terminal(overview.status)) {
        return error_set(err, ERR_ALREADY_EXISTS,
                         "Job has already been submitted. Job '%s' (%s) already reached a "
                         "globally-terminal state (%s) in a previous execution; submit this one "
                         "under another job id.",
                         overview.name, hex, job_status_name(overview.status));
    }
    return error_set(err, ERR_ALREADY_EXISTS,
                     "Job has already been submitted. Job '%s' (%s) is %s; cancel it, or submit "
                     "this one under another job id.",
                     overview.name, hex, job_status_name(overview.status));
}

/* ---- making a job --------------------------------------------------------------------------------- */

static int check_submission(const struct dispatcher *d, const struct job_submission *s,
                            struct error *err)
{
    if (d->shutting_down) {
        return error_set(err, ERR_UNAVAILABLE, "The job manager is shutting down.");
    }
    TRY(job_graph_validate(s->graph, err));
    if (s->n_blobs != s->graph->n_libraries) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "Job '%s' names %zu bundles, but %u came with it: each bundle of the "
                         "graph must be uploaded.",
                         s->graph->name, s->graph->n_libraries, s->n_blobs);
    }
    if (d->live.len >= DISPATCHER_JOBS_MAX) {
        return error_set(err, ERR_LIMIT, "%zu jobs run here already; cancel some first.",
                         d->live.len);
    }
    return 0;
}

/* The libraries of the graph by content, as task managers ask for them. */
static int name_blobs(struct dispatched_job *j, struct error *err)
{
    struct job_submission *s = &j->submission;
    j->blob_refs = MEM_NEW_ARRAY(Flinc__BlobRef, s->n_blobs + 1);
    j->blob_list = MEM_NEW_ARRAY(Flinc__BlobRef *, s->n_blobs + 1);
    for (uint32_t i = 0; i < s->n_blobs; i++) {
        Flinc__Library *library = s->graph->libraries[i];
        STR_AUTO nothing = STR_INIT;
        uint64_t size = 0;
        TRY_CTX(err, blob_store_read(j->d->options.blobs, &s->blobs[i], 0, 0, &nothing, &size, err),
                "submitting job %s with the bundle %s", s->graph->name, library->name);
        free(library->content_hash.data); /* the message's, which its allocator made */
        library->content_hash.data = malloc(sizeof(s->blobs[i].hash));
        if (library->content_hash.data == NULL) {
            mem_out_of_memory(sizeof(s->blobs[i].hash));
        }
        library->content_hash.len = sizeof(s->blobs[i].hash);
        memcpy(library->content_hash.data, s->blobs[i].hash, sizeof(s->blobs[i].hash));
        flinc__blob_ref__init(&j->blob_refs[i]);
        j->blob_refs[i].name = library->name;
        j->blob_refs[i].content_hash = library->content_hash;
        j->blob_refs[i].size = size;
        j->blob_list[i] = &j->blob_refs[i];
    }
    return 0;
}

static uint32_t n_tasks(const Flinc__JobGraph *graph)
{
    uint32_t n = 0;
    for (size_t i = 0; i < graph->n_vertices; i++) {
        n += graph->vertices[i]->parallelism;
    }
    return n;
}

static struct dispatched_job *make_job(struct dispatcher *d, struct job_submission *submission,
                                       const struct flinc_id *id,
                                       const struct job_fingerprint *fingerprint)
{
    struct dispatched_job *j = MEM_NEW(struct dispatched_job);
    j->d = d;
    j->id = *id;
    id_format(id, j->hex);
    j->submission = *submission;
    *submission = (struct job_submission){.graph = NULL};
    j->fingerprint = *fingerprint;
    const Flinc__JobGraph *graph = j->submission.graph;
    int64_t now = clock_now_ms(d->clock);
    j->overview = (struct job_overview){
        .id = *id,
        .runtime_mode = graph->runtime_mode,
        .status = JOB_STATUS_INITIALIZING,
        .start_ms = now,
        .last_modification_ms = now,
        .tasks_total = n_tasks(graph),
    };
    if (graph->initial_client_heartbeat_timeout_ms > 0) {
        j->client_expires_ms =
            now + (int64_t)MIN(graph->initial_client_heartbeat_timeout_ms, (uint64_t)INT64_MAX / 2);
    }
    j->overview.tasks_by_state[FLINC__EXECUTION_STATE__EXECUTION_CREATED] = j->overview.tasks_total;
    (void)snprintf(j->overview.name, sizeof(j->overview.name), "%s", graph->name);
    return j;
}

int dispatcher_accept(struct dispatcher *d, struct job_submission *submission,
                      const struct job_fingerprint *fingerprint, struct error *err)
{
    struct flinc_id id;
    TRY(check_submission(d, submission, err));
    memcpy(id.bytes, submission->graph->job_id.data, sizeof(id.bytes)); /* validated: 16 bytes */
    int rc = check_duplicate(d, &id, fingerprint, err);
    if (rc != 0) {
        return MIN(rc, 0);
    }
    if (d->options.recovery != NULL && !submission->is_kept) {
        char hex[ID_HEX_LEN + 1];
        id_format(&id, hex);
        return error_set(err, ERR_ALREADY_EXISTS,
                         "Job has already been submitted. A job %s is known to high availability; "
                         "submit this one under another job id.",
                         hex);
    }
    TRY(FAILPOINT(err, "dispatcher.submit.before_job"));
    struct dispatched_job *j = make_job(d, submission, &id, fingerprint);
    LOG_INFO(DISPATCHER_TOPIC, "Received job submission '%s' (%s): %u tasks, %u bundles.",
             j->overview.name, j->hex, j->overview.tasks_total, j->submission.n_blobs);
    rc = name_blobs(j, err);
    if (rc == 0) {
        rc = dispatched_job_start(j, err);
    }
    if (rc < 0) {
        LOG_WARN(DISPATCHER_TOPIC, "Job '%s' (%s) cannot be started: %s", j->overview.name, j->hex,
                 err->message);
        dispatched_job_free(j);
    } else {
        dispatcher_watch_clients(d);
        (void)FAILPOINT(NULL, "dispatcher.submit.after_job");
    }
    return rc;
}
