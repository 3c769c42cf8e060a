package serving

import (
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
)

// pageSizeDefault is the page size where a request names none. The protos' rules bound the rest.
const pageSizeDefault = 50

// pageSize returns the wanted number of items.
func pageSize(asked int32) int {
	if asked <= 0 {
		return pageSizeDefault
	}
	return int(asked)
}

var tokens = base64.RawURLEncoding.Strict()

// A listing is a list with its filters. Its page tokens continue that list only: they hold the key
// of the last item behind a checksum over listing and key.
type listing []string

// token returns the page token that continues behind the item of that key; empty for no key.
func (l listing) token(after string) string {
	if after == "" {
		return ""
	}
	return tokens.EncodeToString(append(binary.BigEndian.AppendUint64(nil, l.sum(after)), after...))
}

// after returns the key that a token holds; empty for an empty token.
func (l listing) after(token string) (string, error) {
	if token == "" {
		return "", nil
	}
	data, err := tokens.DecodeString(token)
	if err == nil && len(data) > 8 && binary.BigEndian.Uint64(data) == l.sum(string(data[8:])) {
		return string(data[8:]), nil
	}
	return "", errPageToken(token)
}

func errPageToken(token string) *Error {
	return errorf(FieldInvalid, "page_token: expected the next_page_token of this list with these filters, got %q", clip(token)).at("page_token")
}

func (l listing) sum(after string) uint64 {
	h := fnv.New64a()
	for _, part := range append(l, after) {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		h.Write([]byte(part))
	}
	return h.Sum64()
}

// cut returns the first limit items behind a key, and the key that continues them. items are in the
// order of their keys.
func cut[T any](items []T, key func(*T) string, after string, limit int) (page []T, next string) {
	for i := range items {
		if key(&items[i]) <= after && after != "" {
			continue
		}
		if len(page) == limit {
			return page, key(&page[limit-1])
		}
		page = append(page, items[i])
	}
	return page, ""
}
