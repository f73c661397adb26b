#include "worker/restore.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"
#include "log/log.h"
#include "worker/journal.h"

/* The state before an event is not in the journal; it only counts without a head, until the first
 * event that moves it, and log_rebuild() takes the row's then. */
static struct log_restore begin(const struct id *sid, const struct journal *journal)
{
	return (struct log_restore){ .sid = *sid,
		                     .tenant = journal_tenant(journal),
		                     .base = journal_base(journal),
		                     .state = SESSION_RUNNING };
}

static enum err_code give_page(const struct log_store *store, struct log_restore *restore,
                               const struct journal_page *page, struct err *err)
{
	struct log_result result;
	enum err_code code;

	restore->events = page->events;
	restore->count = page->count;
	code = log_restore(store, restore, &result, err);
	return code == ERR_OK ? log_result_err(&result, err) : code;
}

enum err_code restore_journal(const struct log_store *store, const struct id *sid,
                              const struct journal *journal, struct err *err)
{
	struct log_restore restore = begin(sid, journal);
	struct journal_page *page = mem_calloc(1, sizeof(*page));
	enum err_code code = ERR_OK;
	bool more = true;

	journal_page_init(page);
	while (code == ERR_OK && more) {
		code = journal_read(journal, journal_base(journal), page, err);
		more = code == ERR_OK && page->count > 0;
		if (more) {
			code = give_page(store, &restore, page, err);
		}
	}
	journal_page_fini(page);
	free(page);
	return code;
}

static void give_leftover(const struct log_store *store, const char *dir, const struct id *sid)
{
	struct journal *journal;
	struct err err;
	enum err_code code = journal_open(dir, sid, &journal, &err);

	if (code == ERR_OK) {
		code = restore_journal(store, sid, journal, &err);
		journal_discard(journal);
	}
	if (code != ERR_OK && code != ERR_FENCED) {
		log_warn("journal.left", "session=%s code=%s %s", sid->s, err_name(code), err.msg);
	}
}

void restore_leftovers(const struct log_store *store, const char *dir)
{
	DIR *entries = opendir(dir);
	const struct dirent *entry;
	struct id sid;

	while (entries != NULL && (entry = readdir(entries)) != NULL) {
		if (id_parse(str_of(entry->d_name), &sid)) {
			give_leftover(store, dir, &sid);
		}
	}
	if (entries != NULL) {
		(void)closedir(entries);
	}
}
