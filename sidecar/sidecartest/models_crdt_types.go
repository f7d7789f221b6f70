package sidecartest

import "github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"

// crTypes are all types, with the checks that each of them has.
func crTypes() []crType {
	return []crType{
		gcounterType(), pncounterType(), gsetType(), orsetType(), registerType(), flagType(), ormapType(), voteType(),
	}
}

// numbers are those of checks that follow each other.
func numbers(first, last int) (all []int) {
	for n := first; n <= last; n++ {
		all = append(all, n)
	}
	return all
}

func gcounterType() crType {
	return crType{
		name: "GCounter", numbers: numbers(98, 105),
		empty: crStart{nil, gcIs(0)},
		changes: []crStep{
			crOwn(gcIs(1), gcDelta(1), gcUp(1)),
			crOwn(gcIs(6), gcDelta(5), gcUp(2), gcUp(3)),
			crOwn(gcIs(6), nil),
			crOwn(gcIs(1<<40), gcDelta(1<<40-6), gcUp(1<<40-6)),
		},
		starts: []crStart{{gcDelta(1 << 40), gcIs(1 << 40)}, {gcDelta(0), gcIs(0)}},
		mixed: [][]crStep{{
			crOwn(gcIs(10), gcDelta(10), gcUp(10)),
			crRemote(gcDelta(5), gcIs(15)),
			crOwn(gcIs(16), gcDelta(1), gcUp(1)),
			{gcDelta(4), crUps(gcUp(1), gcUp(2)), gcIs(23), gcDelta(3)},
			crRemote(gcDelta(7), gcIs(30)),
		}},
		passivate: []crStep{crOwn(gcIs(1<<40+1), gcDelta(1), gcUp(1))},
	}
}

func pncounterType() crType {
	return crType{
		name: "PNCounter", numbers: numbers(106, 113),
		empty: crStart{nil, pnIs(0)},
		changes: []crStep{
			crOwn(pnIs(1), pnDelta(1), pnUp(1)),
			crOwn(pnIs(-2), pnDelta(-3), pnUp(-3)),
			crOwn(pnIs(-6), pnDelta(-4), pnUp(3), pnUp(-7)),
			crOwn(pnIs(-6), nil),
			crOwn(pnIs(-1<<40), pnDelta(-1<<40+6), pnUp(-1<<40+6)),
		},
		starts: []crStart{{pnDelta(-1 << 40), pnIs(-1 << 40)}, {pnDelta(42), pnIs(42)}},
		mixed: [][]crStep{{
			crOwn(pnIs(10), pnDelta(10), pnUp(10)),
			crRemote(pnDelta(-15), pnIs(-5)),
			crOwn(pnIs(-7), pnDelta(-2), pnUp(-2)),
			{pnDelta(8), crUps(pnUp(1), pnUp(2)), pnIs(4), pnDelta(3)},
			crRemote(pnDelta(-4), pnIs(0)),
		}},
		passivate: []crStep{crOwn(pnIs(-1<<40+1), pnDelta(1), pnUp(1))},
	}
}

func gsetType() crType {
	return crType{
		name: "GSet", numbers: numbers(114, 121),
		empty: crStart{nil, gsIs()},
		changes: []crStep{
			crOwn(gsIs("a"), gsDelta("a"), gsUp("a")),
			crOwn(gsIs("a", "b", "c"), gsDelta("b", "c"), gsUp("c"), gsUp("b"), gsUp("a"), gsUp("c")),
			crOwn(gsIs("a", "b", "c"), nil, gsUp("b")),
		},
		starts: []crStart{{gsDelta("c", "a", "b"), gsIs("a", "b", "c")}, {gsDelta(), gsIs()}},
		mixed: [][]crStep{{
			crOwn(gsIs("a", "b"), gsDelta("a", "b"), gsUp("a"), gsUp("b")),
			crRemote(gsDelta("d", "c"), gsIs("a", "b", "c", "d")),
			crOwn(gsIs("a", "b", "c", "d", "e"), gsDelta("e"), gsUp("c"), gsUp("e")),
			crRemote(gsDelta("f"), gsIs("a", "b", "c", "d", "e", "f")),
			crOwn(gsIs("a", "b", "c", "d", "e", "f"), nil, gsUp("f")),
		}},
		passivate: []crStep{crOwn(gsIs("a", "b", "c", "d"), gsDelta("d"), gsUp("a"), gsUp("d"))},
	}
}

func orsetType() crType {
	return crType{
		name: "ORSet", numbers: numbers(122, 129),
		empty: crStart{nil, osIs()},
		changes: []crStep{
			crOwn(osIs("a", "b", "c"), osDelta("a", "b", "c"), osUp("c"), osUp("a"), osUp("b"), osUp("a")),
			crOwn(osIs("a", "b", "c"), nil, osUp("a"), osRemove("d")),
			crOwn(osIs("a", "c", "d"), osRemoves([]string{"b"}, "d"), osRemove("b"), osUp("d")),
			crOwn(osIs("a", "c", "d"), nil, osRemove("a"), osUp("a")),
			crOwn(osIs("a", "c", "d"), nil, osUp("e"), osRemove("e")),
			crOwn(osIs("g"), osClears("g"), osUp("f"), osRemove("a"), osClear(), osUp("g")),
			crOwn(osIs(), osClears(), osClear()),
			crOwn(osIs("a", "b"), osDelta("a", "b"), osUp("a"), osUp("b")),
		},
		starts: []crStart{{osDelta("b", "a"), osIs("a", "b")}, {osDelta(), osIs()}},
		mixed: [][]crStep{{
			crOwn(osIs("a", "b"), osDelta("a", "b"), osUp("a"), osUp("b")),
			crRemote(osDelta("c"), osIs("a", "b", "c")),
			crOwn(osIs("b", "c"), osRemoves([]string{"a"}), osRemove("a")),
			crRemote(osClears("e", "d"), osIs("d", "e")),
			crOwn(osIs("d", "e", "f"), osDelta("f"), osUp("f")),
			{osRemoves([]string{"d"}, "g"), crUps(osRemove("e"), osUp("h")), osIs("f", "g", "h"), osRemoves([]string{"e"}, "h")},
			crRemote(osClears(), osIs()),
			crOwn(osIs("a"), osDelta("a"), osUp("a")),
		}},
		passivate: []crStep{crOwn(osIs("b", "c"), osRemoves([]string{"a"}, "c"), osRemove("a"), osUp("c"))},
	}
}

func registerType() crType {
	return crType{
		name: "LWWRegister", numbers: append(numbers(130, 134), numbers(136, 138)...),
		empty: crStart{lwDelta(""), lwIs("")},
		changes: []crStep{
			crOwn(lwIs("one"), lwDelta("one"), lwUp("one")),
			crOwn(lwIs("one"), nil),
			crOwn(lwIs("three"), lwDelta("three"), lwUp("two"), lwUp("three")),
			crOwn(lwIs("four"), lwDelta("four"), lwUp("four")),
		},
		starts: []crStart{{lwDelta("four"), lwIs("four")}, {lwDelta(""), lwIs("")}},
		mixed: [][]crStep{{
			crOwn(lwIs("one"), lwDelta("one"), lwUp("one")),
			crRemote(lwDelta("two"), lwIs("two")),
			crOwn(lwIs("three"), lwDelta("three"), lwUp("three")),
			{lwDelta("four"), crUps(lwUp("five")), lwIs("five"), lwDelta("five")},
			crRemote(lwDelta("six"), lwIs("six")),
		}},
		passivate: []crStep{crOwn(lwIs("five"), lwDelta("five"), lwUp("five"))},
	}
}

func flagType() crType {
	return crType{
		name: "Flag", numbers: numbers(139, 146),
		empty: crStart{nil, flIs(false)},
		changes: []crStep{
			crOwn(flIs(false), nil),
			crOwn(flIs(true), flDelta(true), flUp(), flUp()),
			crOwn(flIs(true), nil, flUp()),
		},
		starts: []crStart{{flDelta(true), flIs(true)}, {flDelta(false), flIs(false)}},
		mixed: [][]crStep{
			{
				crOwn(flIs(true), flDelta(true), flUp()),
				crRemote(flDelta(false), flIs(true)),
				crRemote(flDelta(true), flIs(true)),
				crOwn(flIs(true), nil, flUp()),
			},
			{
				crRemote(flDelta(false), flIs(false)),
				crRemote(flDelta(true), flIs(true)),
				crOwn(flIs(true), nil, flUp()),
				crRemote(flDelta(false), flIs(true)),
			},
		},
		passivate: []crStep{crOwn(flIs(true), nil, flUp())},
	}
}

func ormapType() crType {
	return crType{
		name: "ORMap", numbers: numbers(147, 154),
		empty: crStart{nil, omIs()},
		changes: []crStep{
			crOwn(omIs(omEntryIs("PNCounter-1", pnIs(0))), omAdds(omEntry("PNCounter-1", pnDelta(0))), omAdd("PNCounter-1")),
			crOwn(omIs(omEntryIs("PNCounter-1", pnIs(0))), nil, omAdd("PNCounter-1")),
			crOwn(omIs(omEntryIs("PNCounter-1", pnIs(-3))),
				omDelta(&crdtpb.ORMapDelta{Updated: omEntries(omEntry("PNCounter-1", pnDelta(-3)))}),
				omUp("PNCounter-1", pnUp(-4)), omUp("PNCounter-1", pnUp(1))),
			crOwn(omIs(omEntryIs("GSet-1", gsIs("a")), omEntryIs("LWWRegister-1", lwIs("x")), omEntryIs("PNCounter-1", pnIs(-3))),
				omAdds(omEntry("GSet-1", gsDelta("a")), omEntry("LWWRegister-1", lwDelta("x"))),
				omUp("LWWRegister-1", lwUp("x")), omUp("GSet-1", gsUp("a"))),
			crOwn(omIs(omEntryIs("GSet-1", gsIs("a", "b")), omEntryIs("ORMap-1", omIs(omEntryIs("Flag-1", flIs(true)))), omEntryIs("PNCounter-1", pnIs(-3))),
				omDelta(&crdtpb.ORMapDelta{
					Removed: packTexts([]string{"LWWRegister-1"}),
					Updated: omEntries(omEntry("GSet-1", gsDelta("b"))),
					Added:   omEntries(omEntry("ORMap-1", omAdds(omEntry("Flag-1", flDelta(true))))),
				}),
				omRemove("LWWRegister-1"), omUp("GSet-1", gsUp("b")), omUp("ORMap-1", omUp("Flag-1", flUp()))),
			crOwn(omIs(omEntryIs("Vote-1", voIs(true, 1, 1))),
				omDelta(&crdtpb.ORMapDelta{Cleared: true, Added: omEntries(omEntry("Vote-1", voChange(true)))}),
				omUp("GSet-1", gsUp("c")), omClear(), omUp("Vote-1", voUp(true))),
			crOwn(omIs(), omDelta(&crdtpb.ORMapDelta{Cleared: true}), omClear()),
			crOwn(omIs(omEntryIs("GCounter-1", gcIs(1)), omEntryIs("ORSet-1", osIs("a", "b"))),
				omAdds(omEntry("GCounter-1", gcDelta(1)), omEntry("ORSet-1", osDelta("a", "b"))),
				omUp("GCounter-1", gcUp(1)), omUp("ORSet-1", osUp("a")), omUp("ORSet-1", osUp("b"))),
		},
		starts: []crStart{
			{omAdds(omEntry("ORSet-1", osDelta("b", "a")), omEntry("GCounter-1", gcDelta(1))), omIs(omEntryIs("GCounter-1", gcIs(1)), omEntryIs("ORSet-1", osIs("a", "b")))},
			{omAdds(omEntry("ORMap-1", omAdds(omEntry("LWWRegister-1", lwDelta("x"))))), omIs(omEntryIs("ORMap-1", omIs(omEntryIs("LWWRegister-1", lwIs("x")))))},
			{omAdds(), omIs()},
		},
		mixed: [][]crStep{ormapMixed()},
		passivate: []crStep{crOwn(omIs(omEntryIs("GCounter-1", gcIs(3)), omEntryIs("ORSet-1", osIs("b"))),
			omDelta(&crdtpb.ORMapDelta{Updated: omEntries(omEntry("ORSet-1", osRemoves([]string{"a"})), omEntry("GCounter-1", gcDelta(2)))}),
			omUp("ORSet-1", osRemove("a")), omUp("GCounter-1", gcUp(2)))},
	}
}

func ormapMixed() []crStep {
	return []crStep{
		crOwn(omIs(omEntryIs("GCounter-1", gcIs(1))), omAdds(omEntry("GCounter-1", gcDelta(1))), omUp("GCounter-1", gcUp(1))),
		crRemote(omAdds(omEntry("GCounter-2", gcDelta(2)), omEntry("ORMap-1", omAdds(omEntry("ORSet-1", osDelta("a"))))),
			omIs(omEntryIs("GCounter-1", gcIs(1)), omEntryIs("GCounter-2", gcIs(2)), omEntryIs("ORMap-1", omIs(omEntryIs("ORSet-1", osIs("a")))))),
		crOwn(omIs(omEntryIs("GCounter-1", gcIs(1)), omEntryIs("GCounter-2", gcIs(5)), omEntryIs("ORMap-1", omIs(omEntryIs("ORSet-1", osIs("a", "b"))))),
			omDelta(&crdtpb.ORMapDelta{Updated: omEntries(
				omEntry("GCounter-2", gcDelta(3)),
				omEntry("ORMap-1", omDelta(&crdtpb.ORMapDelta{Updated: omEntries(omEntry("ORSet-1", osDelta("b")))})),
			)}),
			omUp("GCounter-2", gcUp(3)), omUp("ORMap-1", omUp("ORSet-1", osUp("b")))),
		crRemote(
			omDelta(&crdtpb.ORMapDelta{
				Removed: packTexts([]string{"GCounter-1"}),
				Updated: omEntries(
					omEntry("GCounter-2", gcDelta(4)),
					omEntry("ORMap-1", omDelta(&crdtpb.ORMapDelta{Updated: omEntries(omEntry("ORSet-1", osRemoves([]string{"a"}, "c")))})),
				),
				Added: omEntries(omEntry("Flag-1", flDelta(false))),
			}),
			omIs(omEntryIs("Flag-1", flIs(false)), omEntryIs("GCounter-2", gcIs(9)), omEntryIs("ORMap-1", omIs(omEntryIs("ORSet-1", osIs("b", "c")))))),
		crRemote(omDelta(&crdtpb.ORMapDelta{Cleared: true, Added: omEntries(omEntry("GCounter-2", gcDelta(1)))}),
			omIs(omEntryIs("GCounter-2", gcIs(1)))),
		crOwn(omIs(omEntryIs("GCounter-2", gcIs(2)), omEntryIs("PNCounter-1", pnIs(-1))),
			omDelta(&crdtpb.ORMapDelta{Updated: omEntries(omEntry("GCounter-2", gcDelta(1))), Added: omEntries(omEntry("PNCounter-1", pnDelta(-1)))}),
			omUp("GCounter-2", gcUp(1)), omUp("PNCounter-1", pnUp(-1))),
		crRemote(omDelta(&crdtpb.ORMapDelta{Cleared: true}), omIs()),
	}
}

func voteType() crType {
	return crType{
		name: "Vote", numbers: numbers(155, 162),
		empty: crStart{nil, voIs(false, 0, 1)},
		changes: []crStep{
			crOwn(voIs(true, 1, 1), voChange(true), voUp(true)),
			crOwn(voIs(true, 1, 1), nil, voUp(true)),
			crOwn(voIs(false, 0, 1), voChange(false), voUp(false)),
			crOwn(voIs(false, 0, 1), nil, voUp(false)),
			crOwn(voIs(true, 1, 1), voChange(true), voUp(true), voUp(false), voUp(true)),
		},
		starts: []crStart{{voDelta(true, 2, 3), voIs(true, 2, 3)}, {voDelta(false, 1, 3), voIs(false, 1, 3)}},
		mixed: [][]crStep{{
			crOwn(voIs(true, 1, 1), voChange(true), voUp(true)),
			crRemote(voDelta(true, 2, 4), voIs(true, 2, 4)),
			crOwn(voIs(false, 1, 4), voChange(false), voUp(false)),
			crRemote(voDelta(false, 3, 5), voIs(false, 3, 5)),
			{voDelta(false, 2, 4), crUps(voUp(true)), voIs(true, 3, 4), voChange(true)},
			crRemote(voDelta(true, 1, 1), voIs(true, 1, 1)),
		}},
		passivate: []crStep{crOwn(voIs(false, 1, 3), voChange(false), voUp(false))},
	}
}
