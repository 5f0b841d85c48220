/* Handler threads for routes that may wait.  A thread is made when a request comes and no thread is
 * idle, up to the maximum; idle ones sleep and cost their stacks' few pages.
 * Lock: handlers.lock, a leaf; not held over a handler.  Thread: any. */
#include "common/net/http/state.h"

#include "common/base/thread.h"

void http_handlers_init(struct http_handlers *h, uint32_t max)
{
    *h = (struct http_handlers){.max = MIN(max, (uint32_t)HTTP_HANDLERS_MAX)};
    h->tail = &h->head;
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->work, NULL);
}

void http_handlers_fini(struct http_handlers *h)
{
    ASSERT(h->head == NULL);
    pthread_cond_destroy(&h->work);
    pthread_mutex_destroy(&h->lock);
}

static void run(struct http_request *rq, bool refuse)
{
    if (refuse) {
        http_response_error(&rq->response, MHD_HTTP_SERVICE_UNAVAILABLE,
                            "The server is shutting down.");
    } else {
        http_request_run(rq);
    }
    struct http_loop *loop = rq->loop;
    http_request_transition(rq, HTTP_REQUEST_HANDLED);
    MHD_resume_connection(rq->mhd); /* from here on the request is its loop's again */
    http_loop_wake(loop);
}

static void *handler_main(void *arg)
{
    struct http_handlers *h = arg;
    pthread_mutex_lock(&h->lock);
    while (true) {
        struct http_request *rq = h->head;
        if (rq == NULL) {
            if (h->stopping) {
                break;
            }
            h->n_idle++;
            pthread_cond_wait(&h->work, &h->lock);
            h->n_idle--;
            continue;
        }
        h->head = rq->next;
        if (h->head == NULL) {
            h->tail = &h->head;
        }
        h->n_queued--;
        bool refuse = h->stopping;
        pthread_mutex_unlock(&h->lock);
        run(rq, refuse);
        pthread_mutex_lock(&h->lock);
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

int http_handlers_push(struct http_handlers *h, struct http_request *rq, struct error *err)
{
    int rc = 0;
    pthread_mutex_lock(&h->lock);
    if (h->stopping) {
        rc = error_set(err, ERR_CLOSED, "The server is shutting down.");
    } else if (h->n_queued >= h->n_idle && h->n_threads < h->max) {
        rc = thread_start(&h->threads[h->n_threads], "http-handler", handler_main, h, err);
        if (rc == 0) {
            h->n_threads++;
        } else if (h->n_threads > 0) {
            rc = 0; /* one of the others takes it */
        }
    }
    if (rc == 0) {
        rq->next = NULL;
        *h->tail = rq;
        h->tail = &rq->next;
        h->n_queued++;
        pthread_cond_signal(&h->work);
    }
    pthread_mutex_unlock(&h->lock);
    return rc;
}

void http_handlers_stop(struct http_handlers *h)
{
    pthread_mutex_lock(&h->lock);
    h->stopping = true;
    uint32_t n = h->n_threads;
    pthread_cond_broadcast(&h->work);
    pthread_mutex_unlock(&h->lock);
    for (uint32_t i = 0; i < n; i++) {
        thread_join(h->threads[i]);
    }
}
