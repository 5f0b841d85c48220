/* Windows from throughput (debloater.h). */
#include "taskmanager/exchange/debloater.h"
#include "common/base/macros.h"

void debloater_init(struct debloater *d, const struct debloater_options *options)
{
    *d = (struct debloater){.options = *options,
                            .window = (double)options->window_max,
                            .announced = options->window_max};
}

/* A full window is announced when it is reached again, however small the last step. */
static bool is_worth_telling(const struct debloater *d, uint64_t window)
{
    const struct debloater_options *o = &d->options;
    uint64_t change = window > d->announced ? window - d->announced : d->announced - window;
    return change * 100 >= (uint64_t)o->threshold_percent * d->announced ||
           (window == o->window_max && change > 0);
}

bool debloater_sample(struct debloater *d, uint64_t bytes, int64_t busy_ns)
{
    const struct debloater_options *o = &d->options;
    if (busy_ns <= 0 || (bytes == 0 && d->bytes_per_second == 0)) {
        return false;
    }
    double per_second = (double)bytes * 1e9 / (double)busy_ns;
    double wanted = per_second * (double)o->target_ms / 1000 / o->n_channels;
    double weight = 2.0 / (o->n_samples + 1);
    double most = (double)o->window_max, least = MIN((double)DEBLOATER_WINDOW_MIN, most);
    d->bytes_per_second = (uint64_t)per_second;
    d->window += (MIN(wanted, most) - d->window) * weight;
    uint64_t window = (uint64_t)MAX(d->window, least);
    if (d->window > most * 0.99) { /* an average only comes near */
        window = o->window_max;
    }
    if (!is_worth_telling(d, window)) {
        return false;
    }
    d->announced = window;
    return true;
}

int64_t debloater_estimate_ms(const struct debloater *d, uint64_t in_flight_bytes)
{
    if (d->bytes_per_second == 0) {
        return 0;
    }
    return (int64_t)((double)in_flight_bytes * 1000 / (double)d->bytes_per_second);
}
