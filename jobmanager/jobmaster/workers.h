/* Channels to the workers of a job.  Every message that leaves carries the job master's fencing
 * token; one that comes in with another is dropped and counted.
 *
 * Thread: the job master's, but workers_get_end(): any.  Lifetime: a link lives until
 * its channel is over, or the job master ends. */
#ifndef FLINC_JOBMANAGER_JOBMASTER_WORKERS_H
#define FLINC_JOBMANAGER_JOBMASTER_WORKERS_H

#include "common/base/map.h"
#include "common/base/vec.h"
#include "jobmanager/jobmaster/attempts.h"
#include <pthread.h>

enum { CONTROL_VERSION = 1 }; /* of MasterToWorker and WorkerToMaster */

struct execution;

struct worker_link {
    struct jobmaster *jm; /* Borrows */
    uint32_t number;
    char *name;                  /* Owns; unique: two links may have had the same number */
    struct place *place;         /* counted; NULL: in one process */
    struct rpc_channel *channel; /* Owns; NULL until it is added */
    bool connected;              /* added and not over */
    bool refresh_owed;           /* asked for values, and no report since */
    bool over;                   /* broken before it was added */
    struct vec cancel_batch;     /* of struct flinc_id: for the next workers_flush_cancels() */
    struct vec deploy_batch;     /* of struct subtask *: while a vertex is deployed */
    struct vec
        checkpoint_batch; /* of struct subtask *: while a message about a checkpoint is made */
};

/* Caller's memory. */
struct workers {
    struct jobmaster *jm; /* Borrows */
    pthread_mutex_t lock; /* guards `links` and `n_connections`; a leaf */
    struct vec links;     /* Owns; of struct worker_link * */
    uint64_t n_connections;
    struct map by_number; /* number -> the link that is connected */
    struct vec to_cancel; /* of struct worker_link *: those with a cancel batch */
};

void workers_init(struct workers *w, struct jobmaster *jm);
/* Closes the channels and frees. */
void workers_fini(struct workers *w);
void workers_get_end(struct workers *w, uint32_t number, struct rpc_end_options *ret_end);
/* The link whose end this channel is, known by its name; or NULL. */
struct worker_link *workers_find_by_channel(struct workers *w, const struct rpc_channel *channel);
/* Takes the channel into use. */
void workers_connect(struct workers *w, struct worker_link *link, struct rpc_channel *take_channel);
void workers_disconnect(struct workers *w, struct worker_link *link);
/* Disconnects, closes the channel and frees the link. */
void workers_remove(struct workers *w, struct worker_link *link);
/* The connected worker of this number, or NULL. */
struct worker_link *workers_find(const struct workers *w, uint32_t number);

/* Puts version and fencing token on the message and sends it. */
int workers_send(struct workers *w, struct worker_link *link, Flinc__MasterToWorker *message,
                 struct error *err) MUST_CHECK;
bool workers_token_fits(const struct workers *w, const Flinc__WorkerToMaster *message);
/* Cancels an attempt by the next flush; one message per worker. */
void workers_cancel(struct workers *w, uint32_t number, const struct flinc_id *attempt_id);
void workers_flush_cancels(struct workers *w);

#endif
