#include "event/between.h"

#include "event/segment.h"

enum { READ_BYTES = 256 * 1024 };

enum err_code between_read(struct between *between, uint64_t after, uint64_t through,
                           struct err *err)
{
	struct log_range range = { .sid = between->sid,
		                   .tenant = between->tenant,
		                   .after = { CURSOR_EPOCH_ANY, after },
		                   .max_count = LOG_READ_MAX,
		                   .max_bytes = READ_BYTES };

	while (range.after.n < through) {
		struct log_page page = { 0 };
		enum err_code code = log_history(between->store, between->pg, &range, &page, err);
		bool moves = page.next.n > range.after.n;

		if (code != ERR_OK) {
			return code;
		}
		for (size_t i = 0; i < page.count && page.events[i].at.n <= through; i++) {
			between->each(between->arg, &page.events[i]);
		}
		range.after = page.next;
		log_page_fini(&page);
		between->reads++;
		if (!moves) {
			break;
		}
	}
	return ERR_OK;
}
