import Gateway
import Lab
import Metering
import Testing

@Suite(.serialized) struct AgentTests {
    @Test func everyReadingArrivesOnceAndExactly() async throws {
        let rig = try Rig()
        try rig.agent.start()
        let report = try await rig.status {
            $0.problems.isEmpty && $0.uplinks.first.map { $0.delivered > 500 } ?? false
        }
        #expect(report.meters.map(\.id) == ["meter-1", "meter-2"])
        let audit = try await rig.settle()
        #expect(audit.isClean, "\(audit.summary)")
        #expect(audit.committed > 500)
        #expect(rig.meters.refusedRequests == 0, "something but FC 3 and 4 was sent: \(rig.meters.functionCounts)")
    }

    @Test func anOutageLosesNothing() async throws {
        let rig = try Rig()
        try rig.agent.start()
        _ = try await rig.status { $0.uplinks.first.map { $0.delivered > 100 } ?? false }
        rig.stopPlatform()
        let away = try await rig.status { $0.spool.undelivered > 300 && $0.uplinks[0].error != nil }
        #expect(away.problems.contains { $0.what.hasPrefix("uplink city:") }, "\(away.problems)")
        try rig.startPlatform()
        #expect(try await rig.settle().isClean)
    }

    @Test func aSilentMeterIsNamedAndTheOthersGoOn() async throws {
        let rig = try Rig(count: 3, timeout: "500ms")
        rig.meters.setMisbehaviour(.silence, of: 1)
        try rig.agent.start()
        let report = try await rig.status {
            $0.meters[1].error == "no answer in time" && $0.meters[1].omittedPolls > 2 && $0.meters[0].readings > 0
                && $0.meters[2].readings > 0
        }
        let asked = try #require(report.meters[1].asked)
        #expect(asked.hasPrefix("30001 = input 0, 0x0 ×") && asked.contains("sent 04 00 00 00"), "\(asked)")
        #expect(report.problems.map(\.what).contains("meter meter-2: no answer in time: \(asked)"))
        #expect(report.meters[1].nextTryMilliseconds != nil)
        // On a busy machine its answer may be late as well.
        #expect(report.meters[2].omittedPolls == 0 || report.meters[2].failedPolls > 0)
        let before = report.meters[2].readings
        _ = try await rig.status { $0.meters[2].readings > before && $0.meters[2].error == nil }
        rig.meters.setMisbehaviour(nil, of: 1)
        _ = try await rig.status { $0.meters[1].error == nil && $0.problems.isEmpty }
        #expect(try await AgentHarness.wait(30) { rig.agent.log.contains("meter meter-2: answers again after") })
        #expect(try await rig.settle().isClean)
    }

    /// Whatever a meter answers ends in a clear status line; when it comes to its senses, so does the status.
    @Test(arguments: [
        (Misbehaviour.exception(2), "exception 2 (illegal data address)"),
        (.exception(6), "exception 6 (server device busy)"),
        (.wrongUnit, "malformed answer: unit"),
        (.closeAfterRequest, "the device closed the connection"),
        (.garbage, "malformed answer"),
        (.shortFrame, "bytes of the answer came"),
        (.wrongTransaction, "no answer in time"),
    ])
    func malformedAnswersAreNamed(misbehaviour: Misbehaviour, message: String) async throws {
        let rig = try Rig(count: 1)
        rig.meters.setMisbehaviour(misbehaviour, of: 0)
        try rig.agent.start()
        let report = try await rig.status { $0.meters.first?.error?.contains(message) ?? false }
        #expect(report.meters[0].hint != nil)
        let requests = rig.meters.requestCount(of: 0)
        let polls = try await rig.status { _ in true }.meters[0].polls
        #expect(requests < 40 * Int(polls), "a busy loop on the bus")
        rig.meters.setMisbehaviour(nil, of: 0)
        _ = try await rig.status { $0.meters[0].error == nil && $0.meters[0].readings > 0 }
        #expect(try await rig.settle().isClean)
    }

    /// A silent unit is only probed; when another answers in its place, that is told.
    @Test func anAbsentUnitsReasonMayChange() async throws {
        let rig = try Rig(count: 1, timeout: "500ms")
        rig.meters.setMisbehaviour(.silence, of: 0)
        try rig.agent.start()
        _ = try await rig.status { $0.meters.first?.error == "no answer in time" }
        rig.meters.setMisbehaviour(.wrongUnit, of: 0)
        _ = try await rig.status { $0.meters.first?.error?.contains("malformed answer: unit") ?? false }
        rig.meters.setMisbehaviour(nil, of: 0)
        _ = try await rig.status { $0.meters[0].error == nil && $0.meters[0].readings > 0 }
        #expect(try await rig.settle().isClean)
    }

    /// As some do while they boot: it stays named until it answers, and no point is given up for long.
    @Test func aMeterThatRefusesEverythingForAWhileComesBack() async throws {
        let rig = try Rig(count: 1)
        rig.meters.setMisbehaviour(.exception(2), of: 0)
        try rig.agent.start()
        let refused = try await rig.status { ($0.meters.first).map { $0.droppedPoints.count == $0.points } ?? false }
        #expect(refused.meters[0].error == "exception 2 (illegal data address)" && refused.meters[0].hint != nil)
        #expect(!rig.agent.log.contains("answers again"))
        rig.meters.setMisbehaviour(nil, of: 0)
        let back = try await rig.status { $0.meters[0].error == nil && $0.meters[0].droppedPoints.isEmpty }
        #expect(back.meters[0].readings > 0)
        #expect(try await AgentHarness.wait(30) { rig.agent.log.contains("answers again after") })
        #expect(try await rig.settle().isClean)
    }

    @Test(arguments: [
        (Fault.serverError, "500"), (.garbage201, ""), (.commitThenCut, ""), (.refuse, ""),
        (.unauthorized, "401"), (.wrongLengthArray, ""), (.tooManyRequests(retryAfter: 1), "429"),
    ])
    func thePlatformsFailuresLoseNothing(fault: Fault, word: String) async throws {
        let rig = try Rig(count: 1)
        var plan = FaultPlan()
        plan.chances = [FaultPlan.Chance(fault, 1)]
        plan.scope = .observations
        rig.platform?.setFaults(plan)
        try rig.agent.start()
        let report = try await rig.status { report in
            report.uplinks.first.map { !$0.healthy && ($0.error ?? "").contains(word) } ?? false
        }
        #expect(report.problems.contains { $0.what.hasPrefix("uplink city:") })
        rig.platform?.setFaults(FaultPlan())
        #expect(try await rig.settle(within: 120).isClean)
    }

    /// A platform that answers 201 with errors among the rows: each row is judged by itself, and none is lost.
    @Test func errorsAmongTheRowsLoseNothing() async throws {
        let rig = try Rig(count: 1)
        var plan = FaultPlan()
        plan.chances = [FaultPlan.Chance(.rowErrors(every: 3), 0.5)]
        plan.scope = .observations
        rig.platform?.setFaults(plan)
        try rig.agent.start()
        _ = try await rig.status {
            $0.uplinks.contains { $0.delivered > 200 } && rig.platform?.faultCounts["rowErrors"] ?? 0 > 0
        }
        rig.platform?.setFaults(FaultPlan())
        #expect(try await rig.settle(within: 120).isClean)
    }

    /// A meter that lets the bus wait for ten seconds does not hold up the end.
    @Test func theEndDoesNotWaitForASlowMeter() async throws {
        let rig = try Rig(count: 1)
        try rig.agent.configure(
            rig.configuration(meters: 1).replacing("timeout: 2s", with: "timeout: 10s"))
        try rig.agent.start()
        _ = try await rig.status { $0.meters.first.map { $0.readings > 0 } ?? false }
        rig.meters.setMisbehaviour(.silence, of: 0)
        _ = try await AgentHarness.wait(1) { false }
        // The agent itself allows 4.5 s; to wait for the bus would take more than 9.
        #expect(try await rig.agent.terminate(within: 8) == 0, "not ended within 8 s:\n\(rig.agent.log)")
        #expect(rig.agent.log.contains("ended"))
    }

    /// A meter that is taken out of the configuration before the platform was ever reached: its readings arrive.
    @Test func readingsOfAFormerMeterArrive() async throws {
        let rig = try Rig(count: 2)
        rig.stopPlatform()
        try rig.agent.start()
        _ = try await rig.status { $0.meters.allSatisfy { $0.readings > 100 } && $0.spool.committed > 200 }
        try rig.agent.configure(rig.configuration(meters: 1))
        rig.agent.reload()
        _ = try await rig.status { $0.meters.count == 1 && $0.meters[0].readings > 0 }
        try rig.startPlatform()
        let audit = try await rig.settle()
        #expect(audit.isClean, "\(audit.summary) \(audit.offenders)\n\(rig.agent.log)")
        #expect(audit.points.contains { $0.key.hasPrefix("meter-2/") && $0.delivered > 0 })
    }

    /// A disk that takes nothing more: the status says so, a reload is refused while the old configuration goes on, and
    /// the end says how much is lost and does not look like success. With the disk back all goes on by itself.
    @Test func aFailingDiskIsToldAndSurvived() async throws {
        let rig = try Rig(count: 1)
        try rig.agent.start()
        _ = try await rig.status { $0.spool.bytes > 100_000 && $0.uplinks.contains { $0.delivered > 0 } }
        try rig.limitFiles(to: "8000")
        let failing = try await rig.status { $0.spool.state == "degraded" && $0.spool.waiting > 0 }
        #expect(failing.problems.first.map { $0.what.hasPrefix("spool:") && $0.hint != nil } ?? false)
        rig.agent.reload()
        #expect(try await AgentHarness.wait(30) { rig.agent.log.contains("refused, the old one goes on") })
        _ = try await rig.status { $0.spool.waiting > failing.spool.waiting && $0.meters[0].readings > 0 }
        try rig.limitFiles(to: "unlimited")
        rig.agent.reload()
        _ = try await rig.status { $0.problems.isEmpty && $0.uplinks.contains { $0.delivered > 0 } }

        try rig.limitFiles(to: "8000")
        _ = try await rig.status { $0.spool.state == "degraded" && $0.spool.waiting > 0 }
        #expect(try await rig.agent.terminate() == 73)
        #expect(rig.agent.log.contains("could not be committed and are lost"), "\(rig.agent.log)")
        #expect(!rig.agent.log.contains("did not stop"), "\(rig.agent.log)")
        try rig.agent.start()
        #expect(try await rig.settle().isClean)
    }

    /// A second agent on the same spool or socket is refused with a sentence, and harms nothing.
    @Test func aSecondAgentIsRefused() async throws {
        let rig = try Rig(count: 1)
        try rig.agent.start()
        _ = try await rig.status { $0.meters.first.map { $0.readings > 0 } ?? false }
        let second = try await Outcome(
            "run", "--config", rig.agent.configurationFile, "--state", rig.agent.spoolFolder, "--socket",
            rig.folder + "/other.sock")
        #expect(second.code == 73, "\(second.text)")
        #expect(second.text.contains("stop the other agent"), "\(second.text)")
        let third = try await Outcome(
            "run", "--config", rig.agent.configurationFile, "--state", rig.folder + "/other", "--socket",
            rig.agent.socket)
        #expect(third.code == 71, "\(third.text)")
        #expect(try await rig.settle().isClean)
    }

    @Test func aNewConfigurationIsTakenAndAWrongOneRefused() async throws {
        let rig = try Rig(count: 2)
        try rig.agent.configure(rig.configuration(meters: 1))
        try rig.agent.start()
        _ = try await rig.status { $0.meters.count == 1 && $0.meters[0].readings > 0 }
        try rig.agent.configure(rig.configuration(meters: 2) + "colour: blue\n")
        rig.agent.reload()
        #expect(try await AgentHarness.wait(30) { rig.agent.log.contains("the new configuration is refused") })
        #expect(rig.agent.log.contains("parthe.yaml:12:1: colour"), "\(rig.agent.log)")
        let refused = try await rig.status { $0.meters.count == 1 && $0.problems.count == 1 }
        #expect(refused.problems.first?.what.hasPrefix("configuration: refused") ?? false, "\(refused.problems)")
        try rig.agent.configure(rig.configuration(meters: 2))
        rig.agent.reload()
        _ = try await rig.status { $0.meters.count == 2 && $0.meters[1].readings > 0 && $0.problems.isEmpty }
        #expect(try await rig.settle().isClean)
    }
}
