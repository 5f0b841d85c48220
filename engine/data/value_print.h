/* Values as text, as Java prints them: what Flink's print sinks and Row.toString show. */
#ifndef FLINC_ENGINE_DATA_VALUE_PRINT_H
#define FLINC_ENGINE_DATA_VALUE_PRINT_H

#include "engine/data/type.h"

void value_print_f32(float v, struct str *out);  /* Float.toString */
void value_print_f64(double v, struct str *out); /* Double.toString: "1.0", "1.0E10", "NaN" */
/* BigDecimal.toPlainString of an unscaled value. */
void value_print_decimal(__int128 unscaled, int32_t scale, struct str *out);
void value_print_date(int64_t days, struct str *out);                    /* LocalDate */
void value_print_time(int64_t seconds, uint32_t nanos, struct str *out); /* LocalTime of a day */
/* LocalDateTime ("2020-01-01T00:00"), or Instant ("2020-01-01T00:00:00Z") for LTZ types. */
void value_print_timestamp(const struct data_type *t, struct ts_nano v, struct str *out);
void value_print_months(int32_t months, enum interval_resolution resolution,
                        struct str *out);                   /* Period: "P1Y2M" */
void value_print_duration(int64_t millis, struct str *out); /* Duration: "PT1H0.5S" */

#endif
