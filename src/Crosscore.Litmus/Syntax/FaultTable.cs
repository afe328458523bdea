namespace Crosscore.Litmus.Syntax;

/// <summary>A fault that can happen, as far as herd distinguishes faults.</summary>
/// <param name="Thread">The column.</param>
/// <param name="Label">A label of the instruction; <see langword="null"/> where it has none, or where faults are too
/// many to keep them apart.</param>
/// <param name="Location">The location that was to be accessed; <see langword="null"/> where none was, or where faults
/// are too many.</param>
/// <param name="Kind">The kind of fault.</param>
internal sealed record FaultEvent(int Thread, string? Label, string? Location, FaultKind Kind);

/// <summary>
/// Which faults each question of a test is about. The final value of a question has a bit for each of them, so that a
/// final state shows not only that an instruction faulted but where and how, as herd's does.
/// </summary>
internal sealed class FaultTable
{
    private const int MaxEvents = 64;

    private readonly LitmusTest _test;
    private readonly Dictionary<FaultQuestion, List<FaultEvent>> _events = [];

    internal FaultTable(LitmusTest test)
    {
        _test = test;
        foreach (
            FaultQuestion question in test
                .Observables.Select(observable => observable.Register.Fault)
                .OfType<FaultQuestion>()
        )
        {
            _events.TryAdd(question, List(question));
        }
    }

    /// <summary>Gets the faults that a question is about: bit 0 of its value is the first.</summary>
    /// <param name="question">A question of the test.</param>
    public IReadOnlyList<FaultEvent> About(FaultQuestion question) => _events[question];

    /// <summary>Gets the bit of a fault in the value of a question; 0 where the question is not about it.</summary>
    /// <param name="question">A question of the test.</param>
    /// <param name="index">The instruction that faults, as an index into
    /// <see cref="LitmusThread.Instructions"/>.</param>
    /// <param name="location">The location that was to be accessed; <see langword="null"/> for none.</param>
    /// <param name="kind">The kind of fault.</param>
    public ulong BitOf(FaultQuestion question, int index, string? location, FaultKind kind)
    {
        if (
            (question.Label is string asked && _test.Threads[question.Thread].Labels[asked] != index)
            || (question.Location is not null && question.Location != location)
            || (question.Kind ?? kind) != kind
        )
        {
            return 0;
        }

        string? label = question.Label ?? LabelOf(question.Thread, index);
        List<FaultEvent> events = _events[question];
        FaultEvent[] candidates =
        [
            new(question.Thread, label, location, kind),
            new(question.Thread, label, null, kind),
            new(question.Thread, null, null, kind),
        ];
        int bit = candidates.Select(candidate => events.IndexOf(candidate)).FirstOrDefault(found => found >= 0, -1);
        return bit >= 0
            ? 1UL << bit
            : throw new InvalidOperationException(
                $"Crosscore bug: no bit for a fault of kind {kind} at {location ?? "no location"}."
            );
    }

    // Every label and location, where that many can be kept apart; otherwise less of them, which is still true.
    private List<FaultEvent> List(FaultQuestion question)
    {
        LitmusThread thread = _test.Threads[question.Thread];
        string?[] labels = question.Label is string label
            ? [label]
            :
            [
                .. Enumerable
                    .Range(0, thread.Instructions.Count)
                    .Select(index => LabelOf(question.Thread, index))
                    .Distinct()
                    .Order(StringComparer.Ordinal),
            ];
        string[] pages =
            question.Location is string location ? [location]
            : _test.HasTables ? [.. _test.Variables.Select(variable => variable.Name).Order(StringComparer.Ordinal)]
            : [];
        FaultKind[] kinds =
        [
            .. Enum.GetValues<FaultKind>().Where(kind => question.Kind is null || question.Kind == kind),
        ];
        List<FaultEvent> Combine(IEnumerable<string?> labels, IReadOnlyList<string?> pages) =>
            [
                .. from label in labels
                from kind in kinds
                from page in kind < FaultKind.Translation ? [null] : pages
                select new FaultEvent(question.Thread, label, page, kind),
            ];
        List<FaultEvent> all = Combine(labels, pages);
        all = all.Count <= MaxEvents ? all : Combine(labels, [null]);
        return all.Count <= MaxEvents ? all : Combine([null], [null]);
    }

    private string? LabelOf(int thread, int index) => _test.Threads[thread].LabelAt(index);
}
