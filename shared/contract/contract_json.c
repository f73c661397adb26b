#include "contract/contract_store.h"
#include "json/write.h"

static void write_text(struct jsonw *w, const char *name, struct str text)
{
	if (text.n > 0) {
		jsonw_str(w, name, text);
	} else {
		jsonw_null(w, name);
	}
}

void contract_write(struct jsonw *w, const struct contract *contract, bool whole)
{
	jsonw_object(w, NULL);
	jsonw_u64(w, "chainId", contract->chain_id);
	jsonw_str(w, "address", contract->address);
	jsonw_str(w, "name", contract->name);
	write_text(w, "chain", contract->chain);
	write_text(w, "symbol", contract->symbol);
	write_text(w, "protocol", contract->protocol);
	write_text(w, "contractType", contract->type);
	write_text(w, "version", contract->version);
	jsonw_bool(w, "isProxy", contract->is_proxy);
	write_text(w, "implementationAddress", contract->implementation);
	write_text(w, "description", contract->description);
	if (contract->updated_us != 0) {
		jsonw_time(w, "updatedAt", contract->updated_us);
	}
	if (whole) {
		write_text(w, "sourceCode", contract->source);
		if (contract->abi.n > 0) {
			jsonw_raw(w, "abi", contract->abi);
		} else {
			jsonw_null(w, "abi");
		}
	}
	jsonw_end_object(w);
}
