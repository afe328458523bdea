using System.Text.Json;
using Crosscore.Litmus.Bench;
using Crosscore.Litmus.Machine;
using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Verdicts;

namespace Crosscore.Tool.Output;

/// <summary>One JSON document: an array of tests, then a summary. docs/output.md describes its members.</summary>
internal sealed class JsonWriter : IReportWriter
{
    private readonly Stream _output;
    private readonly Utf8JsonWriter _json;
    private readonly Dictionary<TestVerdict, int> _verdicts = [];
    private int _mayHang;
    private int _hangsNotLookedFor;

    public JsonWriter(Stream output)
    {
        _output = output;
        _json = new Utf8JsonWriter(output, new JsonWriterOptions { Indented = true });
        _json.WriteStartObject();
        _json.WriteStartArray("tests");
    }

    public void Write(TestReport report)
    {
        _mayHang += report.MayHang ? 1 : 0;
        _hangsNotLookedFor += report.HangsNotLookedFor ? 1 : 0;
        _verdicts[report.Verdict] = _verdicts.GetValueOrDefault(report.Verdict) + 1;
        _json.WriteStartObject();
        _json.WriteString("name", report.Test.Name);
        _json.WriteString("file", report.Test.File);
        _json.WriteString("condition", Wording.Question(report.Test));
        _json.WriteString("verdict", Wording.Code(report.Verdict));
        if (Wording.AnswerCode(report) is string answer)
        {
            _json.WriteString("answer", answer);
        }

        if ((report.Model ?? (report.Designs is [{ Verdict: ModelVerdict only }] ? only : null)) is ModelVerdict asked)
        {
            WriteEndings(asked);
        }

        _json.WriteString("explanation", Wording.Verdict(report));
        WriteNotes(report);
        if (report.Model is ModelVerdict model)
        {
            WriteModel(model, report);
        }

        if (report.Run is MachineRun run)
        {
            WriteRun(run, report);
        }

        if (report.Designs.Count > 0)
        {
            WriteDesigns(report);
        }

        WriteOutcomes(report);
        _json.WriteEndObject();
        _json.Flush();
    }

    public void Finish(int unreadable)
    {
        _json.WriteEndArray();
        _json.WriteStartObject("summary");
        foreach (TestVerdict verdict in Enum.GetValues<TestVerdict>())
        {
            _json.WriteNumber(Wording.Code(verdict), _verdicts.GetValueOrDefault(verdict));
        }

        _json.WriteNumber("mayHang", _mayHang);
        _json.WriteNumber("hangsNotLookedFor", _hangsNotLookedFor);
        _json.WriteNumber("unreadable", unreadable);
        _json.WriteEndObject();
        _json.WriteEndObject();
        _json.Flush();
        _output.WriteByte((byte)'\n');
    }

    public void Dispose() => _json.Dispose();

    private void WriteModel(ModelVerdict model, TestReport report)
    {
        _json.WriteStartObject("model");
        _json.WriteString("core", CoreNames.Of(model.Core));
        _json.WriteString("frequency", model.Frequency.ToString());
        _json.WriteString("answer", Wording.Code(model.Answer));
        WriteEndings(model);
        _json.WriteBoolean("complete", model.IsComplete);
        if (!model.IsComplete)
        {
            _json.WriteString("bounds", Wording.Bounds(model));
        }

        _json.WriteNumber("states", model.Exploration.States);
        _json.WriteNumber("transitions", model.Exploration.Transitions);
        _json.WriteNumber("depth", model.Exploration.Depth);
        _json.WriteNumber("seconds", model.Exploration.Elapsed.TotalSeconds);
        _json.WriteNumber("knownAnswers", report.Known?.Known ?? 0);
        _json.WriteEndObject();
    }

    private void WriteDesigns(TestReport report)
    {
        _json.WriteStartArray("designs");
        foreach (DesignReport design in report.Designs)
        {
            _json.WriteStartObject();
            _json.WriteString("name", design.Design.Name);
            if (design.Verdict is ModelVerdict verdict)
            {
                _json.WriteString("frequency", verdict.Frequency.ToString());
                _json.WriteString("answer", Wording.Code(verdict.Answer));
                WriteEndings(verdict);
                _json.WriteBoolean("complete", verdict.IsComplete);
                _json.WriteNumber("states", verdict.Exploration.States);
                _json.WriteNumber("seconds", verdict.Exploration.Elapsed.TotalSeconds);
                _json.WriteStartArray("allowed");
                foreach (Outcome outcome in verdict.Allowed)
                {
                    _json.WriteStringValue(Wording.Describe(report, outcome));
                }

                _json.WriteEndArray();
            }
            else
            {
                _json.WriteString("lacks", string.Join(", ", design.Lacking));
            }

            if (design.Base is DesignReport before)
            {
                WriteBase(before, design);
            }

            if (design.Expected is { } expected)
            {
                _json.WriteString("expected", expected.Frequency.ToString());
                _json.WriteString("reason", expected.Reason);
            }

            _json.WriteEndObject();
        }

        _json.WriteEndArray();
    }

    private void WriteNotes(TestReport report)
    {
        string[] notes = [.. report.Notes];
        if (notes.Length > 0)
        {
            _json.WriteStartArray("notes");
            foreach (string note in notes)
            {
                _json.WriteStringValue(note);
            }

            _json.WriteEndArray();
        }

        if (report.Defect is KnownDefect defect)
        {
            _json.WriteStartObject("knownDefect");
            _json.WriteString("name", defect.Name);
            _json.WriteString("source", defect.Source);
            _json.WriteEndObject();
        }
    }

    private void WriteEndings(ModelVerdict verdict) =>
        _json.WriteString("endings", Wording.Code(verdict.Exploration.Endings));

    private void WriteBase(DesignReport before, DesignReport design)
    {
        _json.WriteStartObject("base");
        _json.WriteString("name", before.Design.Name);
        if (before.Verdict is ModelVerdict verdict)
        {
            _json.WriteString("frequency", verdict.Frequency.ToString());
            _json.WriteString("answer", Wording.Code(verdict.Answer));
            _json.WriteBoolean("worse", design.IsWorseThanBase);
        }
        else
        {
            _json.WriteString("lacks", string.Join(", ", before.Lacking));
        }

        _json.WriteString("change", Wording.Change(design));
        _json.WriteEndObject();
    }

    private void WriteRun(MachineRun run, TestReport report)
    {
        _json.WriteStartObject("run");
        _json.WriteString("mode", run.Mode.ToString().ToLowerInvariant());
        _json.WriteString("modeReason", run.ModeReason);
        _json.WriteString("end", Wording.Code(run.End));
        _json.WriteNumber("iterations", run.Iterations);
        _json.WriteNumber("fastIterations", run.FastIterations);
        _json.WriteNumber("relevantTrials", run.RelevantTrials);
        _json.WriteNumber("witnesses", report.WitnessesSeen);
        _json.WriteNumber("seconds", run.Elapsed.TotalSeconds);
        _json.WriteBoolean("oversubscribed", run.Oversubscribed);
        _json.WriteStartArray("processors");
        foreach (int processor in run.Processors)
        {
            _json.WriteNumberValue(processor);
        }

        _json.WriteEndArray();
        _json.WriteStartArray("remarks");
        foreach (string remark in run.Remarks)
        {
            _json.WriteStringValue(remark);
        }

        _json.WriteEndArray();
        _json.WriteEndObject();
    }

    private void WriteOutcomes(TestReport report)
    {
        _json.WriteStartArray("outcomes");
        foreach (GradedOutcome graded in report.Outcomes)
        {
            _json.WriteStartObject();
            _json.WriteString("state", Wording.Describe(report, graded.Outcome));
            if (graded.IsAllowed is bool allowed)
            {
                _json.WriteBoolean("allowed", allowed);
            }

            _json.WriteBoolean("weak", graded.IsWeak);
            _json.WriteBoolean("witness", graded.IsWitness);
            if (graded.Seen is long seen)
            {
                _json.WriteNumber("seen", seen);
            }

            _json.WriteEndObject();
        }

        _json.WriteEndArray();
    }
}
