# SPDX-License-Identifier: GPL-2.0-only
#
# jq --slurpfile schema FILE -r -f schema.jq: a line for each thing in the input
# that is not as the JSON Schema of FILE has it. It knows the words below, and
# tells of any other, so that none is passed over.

def known: ["$schema", "$defs", "$ref", "title", "description", "type", "enum", "properties",
	"required", "additionalProperties", "items", "minimum", "maximum", "pattern"];

def wrong($root; $given; $path):
	. as $v | ($v | type) as $type |
	(if $given | has("$ref")
	 then $root | getpath($given["$ref"] | ltrimstr("#/") | split("/"))
	 else $given end) as $s |
	if $s == null then "\($path): \($given) leads nowhere" else
	($s | keys[] | select(. as $k | known | index($k) | not) |
		"\($path): this validator does not know \"\(.)\""),
	(if $s | has("type") then
		[$s.type] | flatten |
		select(any(.[]; . == $type or
			(. == "integer" and $type == "number" and ($v | floor) == $v)) | not) |
		"\($path): \($v) is no \(join(" or "))"
	 else empty end),
	(if ($s | has("enum")) and (any($s.enum[]; . == $v) | not)
	 then "\($path): \($v) is none of \($s.enum)" else empty end),
	(if $type == "number" and ($s | has("minimum")) and $v < $s.minimum
	 then "\($path): \($v) is below \($s.minimum)" else empty end),
	(if $type == "number" and ($s | has("maximum")) and $v > $s.maximum
	 then "\($path): \($v) is above \($s.maximum)" else empty end),
	(if $type == "string" and ($s | has("pattern")) and ($v | test($s.pattern) | not)
	 then "\($path): \"\($v)\" is not like \($s.pattern)" else empty end),
	(if $type == "object" then
		($s.required // [] | .[] | select(. as $k | $v | has($k) | not) |
			"\($path): has no \(.)"),
		($v | keys[] | . as $k |
		 if $s.properties // {} | has($k)
		 then ($v[$k] | wrong($root; $s.properties[$k]; "\($path).\($k)"))
		 elif $s.additionalProperties == false then "\($path): \($k) is not in the schema"
		 else empty end)
	 else empty end),
	(if $type == "array" and ($s | has("items")) then
		range($v | length) as $i | $v[$i] | wrong($root; $s.items; "\($path)[\($i)]")
	 else empty end)
	end;

wrong($schema[0]; $schema[0]; "")
