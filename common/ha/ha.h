/* High availability: who leads, where the leader is, and a small store that only the leader writes.
 *
 *   election   a candidate is granted leadership and loses it again; every grant has a token of its own
 *   address    the leader publishes where it is reached; everybody may look, and watch
 *   store      names like "jobgraphs/<job>" with small values; each write is one transaction that checks
 *              the writer's own leadership, so that a deposed leader cannot write, however long it slept
 *              between its last look and the write
 *
 * What is behind it says high-availability.type: `NONE` (memory of this process, always leader), `file` (a shared
 * POSIX folder), `zookeeper`.  Callers see no difference.
 *
 * Outcomes of a write:
 *   0                   it is durable
 *   ERR_ALREADY_EXISTS  create: the name is there
 *   ERR_NOT_FOUND       replace, remove: the name is not there
 *   ERR_FENCED          the token leads no more; nothing was written, nor will be
 *   ERR_TIMEOUT         nobody knows whether it happened: nothing that the write stands for may be deleted.
 *                       The leadership is given up by itself: on_revoked follows
 *   others              it did not happen (ERR_NO_SPACE, ERR_INVALID_ARGUMENT, ERR_TOO_LARGE, ERR_IO ...)
 *
 * Thread: any; calls of the store may block on disk or network, never on a component's thread.  A struct ha has a
 * thread of its own (but `NONE`).  Flink: HighAvailabilityServices, LeaderElectionService, LeaderRetrievalService. */
#ifndef FLINC_COMMON_HA_HA_H
#define FLINC_COMMON_HA_HA_H

#include "common/base/clock.h"
#include "common/base/vec.h"
#include "common/conf/conf.h"
#include "common/loop/mailbox.h"

enum {
    HA_NAME_MAX = 200,        /* bytes of a name */
    HA_INLINE_MAX = 4 * 1024, /* above, a value is a file in storageDir with a pointer to it */
    HA_VALUE_MAX = 1024 * 1024 * 1024,
    HA_ADDRESS_MAX = 512, /* bytes of an address, NUL included */
};

enum ha_kind {
    HA_NONE,
    HA_FILE,
    HA_ZOOKEEPER,
};
/* high-availability.type, whatever its case.  ERR_INVALID_CONFIG names what there is. */
int ha_kind_read(const struct conf *conf, enum ha_kind *ret_kind, struct error *err) MUST_CHECK;

/* Where a leader is reached. */
struct ha_leader {
    struct flinc_id token;
    char rpc_address[HA_ADDRESS_MAX]; /* "host:port" of the resource manager */
    char rest_url[HA_ADDRESS_MAX];    /* "http://host:port" */
};

struct ha;
/* Who wants to know where the leader is, without waiting: on_change is called on a thread of this room, after
 * every change; NULL: nobody leads.  It must not call ha_*. */
struct ha_watcher {
    void (*on_change)(void *arg, const struct ha_leader *leader);
    void *arg;
};
/* Checks the keys; connects in the background: a server that cannot be reached is waited for, and said so in
 * the log.  watcher: copied; may be NULL. */
int ha_open(const struct conf *conf, const struct ha_watcher *watcher, struct ha **ret,
            struct error *err) MUST_CHECK;
/* Resigns.  No call is under way.  NULL is fine; returns NULL. */
struct ha *ha_close(struct ha *ha);
bool ha_is_durable(const struct ha *ha); /* anything but NONE */
enum ha_kind ha_get_kind(const struct ha *ha);

/* ---- election ----------------------------------------------------------------------------------- */

/* Grants and revocations come as operations of one mailbox, in their order: granted, revoked, granted, ...
 * A leadership that was lost before its grant was posted is posted all the same, with its revocation behind it. */
struct ha_candidate {
    struct mailbox *mailbox; /* a reference is taken */
    int granted_kind, revoked_kind;
    void (*on_granted)(void *target, const struct flinc_id *token);
    void (*on_revoked)(void *target, const struct error *why);
    void *target;
    const char *name; /* copied; who it is, for people: "host-1, process 17" */
};
/* Once per struct ha.  After a revocation it is a candidate again. */
int ha_campaign(struct ha *ha, const struct ha_candidate *candidate, struct error *err) MUST_CHECK;
/* Gives leadership or candidacy up for good, so that another one need not wait for a time-out.  Nothing is
 * posted afterwards.  Blocks shortly.  Without a candidacy nothing happens. */
void ha_resign(struct ha *ha);
/* As far as this process knows; cheap. */
bool ha_leads(const struct ha *ha, const struct flinc_id *token);

/* ---- where the leader is ------------------------------------------------------------------------- */

/* Publishes; leader->token must lead (ERR_FENCED). */
int ha_announce(struct ha *ha, const struct ha_leader *leader, struct error *err) MUST_CHECK;
/* What is known now, without waiting; false: nobody is known to lead. */
bool ha_find_leader(struct ha *ha, struct ha_leader *ret_leader);
/* Waits for one; ERR_TIMEOUT says where was looked. */
int ha_wait_leader(struct ha *ha, int64_t timeout_ms, struct ha_leader *ret_leader,
                   struct error *err) MUST_CHECK;

/* ---- store --------------------------------------------------------------------------------------- */

/* Names are components of [A-Za-z0-9_.-] with '/' between; a name may have others below it. */
int ha_create(struct ha *ha, const struct flinc_id *token, const char *name, struct slice value,
              struct error *err) MUST_CHECK;
int ha_replace(struct ha *ha, const struct flinc_id *token, const char *name, struct slice value,
               struct error *err) MUST_CHECK;
/* Of a name without names below it. */
int ha_remove(struct ha *ha, const struct flinc_id *token, const char *name,
              struct error *err) MUST_CHECK;
/* Replaces or creates. */
int ha_put(struct ha *ha, const struct flinc_id *token, const char *name, struct slice value,
           struct error *err) MUST_CHECK;
/* All names at and below it.  0 when there are none. */
int ha_remove_all(struct ha *ha, const struct flinc_id *token, const char *name,
                  struct error *err) MUST_CHECK;
/* The reads of the leader see everything that was written before its grant.  ERR_NOT_FOUND; ERR_CORRUPT names
 * the file; ERR_FENCED, ERR_UNAVAILABLE. */
int ha_get(struct ha *ha, const struct flinc_id *token, const char *name, struct str *ret_value,
           struct error *err) MUST_CHECK;
/* Components right below a name, sorted; of char *, owned by the receiver (ha_names_fini).  A name that is not
 * there has none. */
int ha_list(struct ha *ha, const struct flinc_id *token, const char *name, struct vec *ret_names,
            struct error *err) MUST_CHECK;
void ha_names_fini(struct vec *names);

/* The folder high-availability.storageDir/<cluster-id>, for files of the leader (bundles of jobs); NULL for
 * NONE without storageDir. */
const char *ha_storage_dir(const struct ha *ha);

#endif
