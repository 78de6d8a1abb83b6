internal import Configuration
internal import FoundationEssentials
internal import Metering
internal import Posix
internal import Spooling

extension SpoolReport {
    /// Looks at the spool in the folder `options.state`, with at most `gaps` of its gaps.
    public init(_ options: Agent.Options, gaps: Int) throws(AgentError) {
        let files = SpoolFiles(directory: options.state)
        let agent = AgentOfSpool(options, holder: files.holder)
        let configuration = try? AgentConfiguration(checked: options)
        var settings = configuration?.spool ?? SpoolSettings()
        if let limit = agent.status?.spool.limitBytes { settings.maximumBytes = limit }
        do throws(SpoolError) {
            let reader = try SpoolStore.openForReading(directory: options.state)
            let survey = try reader.survey(settings)
            let sources = try survey.rate?.points.map { (point) throws(SpoolError) in
                SpoolForecast.Source(
                    rule: try PointNote.rule(of: point.key, in: reader), readings: point.readings,
                    changes: point.changes)
            }
            self.init(
                survey, sources: sources ?? [], files: files, folder: options.state, agent: agent,
                limitFrom: agent.status != nil ? "agent" : configuration != nil ? "configuration" : "default",
                gaps: gaps, now: BootClock.offset.timestamp(of: BootClock.now))
        } catch {
            throw AgentError(error)
        }
    }

    init(
        _ survey: SpoolSurvey, sources: [SpoolForecast.Source], files: SpoolFiles, folder: String, agent: AgentOfSpool,
        limitFrom: String, gaps count: Int, now: Timestamp
    ) {
        let statistics = survey.statistics
        self.folder = folder
        spool = statistics.spoolID
        time = now.description
        process = files.holder
        silence = agent.silence
        var admission = SpoolAdmission()
        _ = admission.measure(survey.fill, at: Instant(nanoseconds: 0))
        let step = SpoolAdmission.Step.allCases.first { "\($0)" == agent.status?.spool.step } ?? admission.step
        self.step = "\(step)"
        (held, committed) = (statistics.held, statistics.committed)
        (oldest, newest) = (statistics.oldest?.description, statistics.newest?.description)
        uplinks = statistics.undelivered.sorted { $0.key < $1.key }.map { Uplink(id: $0.key, undelivered: $0.value) }
        (usedBytes, fileBytes) = (survey.fill.used, statistics.fileBytes)
        (limitBytes, roomBytes) = (survey.fill.limit, survey.fill.available)
        self.limitFrom = limitFrom
        rate = survey.rate.map {
            Rate(
                readingsPerSecond: ($0.readings * 1000).rounded() / 1000, bytesPerDay: Int64($0.bytes * 86_400),
                overSeconds: $0.over.components.seconds)
        }
        writtenBytesPerDay = agent.status?.spool.writtenBytesPerDay
        forecast = survey.rate.flatMap { rate in
            SpoolForecast(
                .init(
                    used: survey.fill.used, overhead: survey.overheadBytes, room: survey.fill.available,
                    bytesPerSecond: rate.bytes, waitingSeconds: Double(survey.waiting.wholeMilliseconds) / 1000),
                sources: sources, step: step)
        }.map { Forecast($0, now) }
        (dropped, damaged, next) = (statistics.dropped, statistics.damaged, survey.next)
        gaps = survey.gaps.prefix(count).map(Missing.init)
        (gapCount, thinnedAway) = (survey.gaps.count, survey.thinnedAway)
        (quarantined, quarantineKept) = (statistics.quarantined, survey.quarantineKept)
        aside = files.aside.map { Aside(path: $0.path, bytes: $0.bytes, modified: $0.modified.description) }
        beside = files.sidecar.map {
            Beside(next: $0.next, totals: $0.totals, fits: $0.spoolID == statistics.spoolID)
        }
    }
}

extension SpoolReport.Forecast {
    init(_ forecast: SpoolForecast, _ now: Timestamp) {
        func moment(_ seconds: Double) -> String? {
            seconds < SpoolForecast.never
                ? Timestamp(milliseconds: now.milliseconds + Int64(seconds) * 1000).description : nil
        }
        fullInSeconds = Int64(forecast.full)
        (slowInSeconds, slow) = (Int64(forecast.slow), moment(forecast.slow))
        (thinInSeconds, thin) = (Int64(forecast.thin), moment(forecast.thin))
        stages = forecast.stages.map {
            SpoolReport.Stage(
                interval: Self.words(for: $0.level), lastsSeconds: Int64($0.until),
                until: moment($0.until))
        }
        (dropInSeconds, drop) = (Int64(forecast.drop), moment(forecast.drop))
        keepsSeconds = Int64(forecast.keeps)
    }

    private static func words(for level: ThinningLevel) -> String {
        switch level {
        case .raw, .early: "as read"
        case .minute: "1 min"
        case .quarter: "15 min"
        case .hour: "1 h"
        }
    }
}

/// The agent that has a spool open, as far as it can be asked.
struct AgentOfSpool {
    /// What it says of itself; nil where none runs, or it does not answer.
    var status: StatusReport?
    /// Why an agent that runs does not answer; nil where none runs, or it does.
    var silence: String?

    /// Asks the agent at the socket of `options`, if it is the process that has the spool, `holder`.
    init(_ options: Agent.Options, holder: Int32?) {
        do throws(AgentError) {
            let status = try StatusReport.ask(at: options.socket)
            // Whoever answers there has another spool.
            guard let holder else { return }
            if status.process == holder {
                self.status = status
            } else {
                silence = "process \(holder) has the spool, and \(status.process) answers at \(options.socket)"
            }
        } catch {
            guard let holder else { return }
            silence = "process \(holder) has the spool, and \(error.message)"
        }
    }
}

extension PointNote {
    /// What thinning has to know of a point, by what the spool notes of it.
    static func rule(of key: String, in reader: SpoolReader) throws(SpoolError) -> ThinningRules.Rule? {
        guard let text = try reader.note(of: key),
            let note = try? JSONDecoder().decode(PointNote.self, from: Data(text.utf8)),
            let kind = PointKind(rawValue: note.kind)
        else { return nil }
        return .init(kind: kind, policy: note.thin.flatMap(ThinningPolicy.init) ?? .allowed)
    }
}

extension AgentError {
    /// Why a command cannot look at a spool, or change it.
    init(_ error: SpoolError) {
        let code: Code =
            switch error.code {
            case .damaged, .foreign: .damaged
            case .missing, .unreadable, .older, .newer: .noInput
            default: .spool
            }
        self.init(code: code, message: "\(error)", hint: error.hint)
    }
}
