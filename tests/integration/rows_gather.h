/* Tests of session/session_gather.h, run by test_rows. */
#pragma once

void who_asks_at_the_same_time_is_answered_by_few_queries(void **state);
