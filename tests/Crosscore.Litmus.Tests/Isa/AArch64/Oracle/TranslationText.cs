using System.Globalization;
using System.Text;
using Crosscore.Litmus.Isa.AArch64;
using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Model;
using Crosscore.Litmus.Tests.Syntax;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;

namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>
/// A <see cref="TranslationProgram"/> as a litmus test, and what the machine makes of it in the words of the oracle.
/// </summary>
internal static class TranslationText
{
    /// <summary>The outcomes that the machine finds, described as <see cref="TranslationOracle"/> does.</summary>
    public static HashSet<string> OutcomesOfMachine(TranslationProgram program, ExplorationOptions? options = null)
    {
        LitmusTest test = LitmusText.Parse(Of(program));
        ModelVerdict verdict = TestOutcomes.Explore(test, CoreKind.AArch64, options);
        Assert.Equal(Bounds.None, verdict.Exploration.Bounds);
        string[] names = [.. test.Observables.Select(observable => observable.ToString())];
        return [.. verdict.Allowed.Select(outcome => Describe(program, names, outcome, verdict.Layout))];
    }

    /// <summary>The program as text.</summary>
    public static string Of(TranslationProgram program)
    {
        var state = new StringBuilder("int x[2]={0,1}; int y[2]={100,101}; int z[2]={0,0}; int f=0; int g=0; ");
        state.Append(
            CultureInfo.InvariantCulture,
            $"[PTE(x)]={TranslationProgram.Entries[program.Initial[0]]}; "
                + $"[PTE(z)]={TranslationProgram.Entries[program.Initial[1]]}; "
        );
        var heads = new List<string>();
        var columns = new List<List<string>>();
        var asked = new List<string>();
        for (int thread = 0; thread < program.Threads.Count; thread++)
        {
            state.Append(
                CultureInfo.InvariantCulture,
                $"{thread}:X17=g; {thread}:X18=z; {thread}:X19=PTE(z); "
                    + $"{thread}:X20=PTE(x); {thread}:X21=x; {thread}:X22=f; "
            );
            for (int entry = 0; entry < TranslationProgram.Entries.Length; entry++)
            {
                state.Append(
                    CultureInfo.InvariantCulture,
                    $"pteval_t {thread}:X{23 + entry}={TranslationProgram.Entries[entry]}; "
                );
            }

            IReadOnlyList<TranslatedStep> steps = program.StepsOf(thread);
            List<string> column = ["LSR X15,X21,#12", "LSR X16,X18,#12"];
            heads.Add($"P{thread}");
            columns.Add(column);
            for (int step = 0; step < steps.Count; step++)
            {
                if (step == program.Threads[thread].Count)
                {
                    column = [];
                    heads.Add($"P{thread}.F");
                    columns.Add(column);
                }

                Add(
                    column,
                    steps[step],
                    step,
                    program.LoadBefore(thread, step),
                    TranslationProgram.ValueOf(thread, step)
                );
                asked.Add(steps[step].IsTranslated ? $"fault(P{thread}:L{step});" : "");
                asked.Add(steps[step].IsRead ? $"{thread}:X{step};" : "");
            }
        }

        int rows = columns.Max(column => column.Count);
        string body = string.Concat(
            Enumerable
                .Range(0, rows)
                .Select(row =>
                    string.Join(" | ", columns.Select(column => row < column.Count ? column[row] : "")) + " ;\n"
                )
        );
        return $"AArch64 Random\nVariant=vmsa,fatal\n{{ {state} }}\n{string.Join(" | ", heads)} "
            + $";\n{body}locations [{string.Concat(asked)}]\nforall true\n";
    }

    private static void Add(List<string> column, TranslatedStep step, int number, int load, int value)
    {
        string address =
            step.IsFlag ? (step.Page == 0 ? "X22" : "X17")
            : step.IsTranslated ? (step.Page == 0 ? "X21" : "X18")
            : step.IsInvalidation ? (step.Page == 0 ? "X15" : "X16")
            : step.Page == 0 ? "X20"
            : "X19";
        string data = step.Kind == TranslationStep.StoreEntry ? $"X{23 + step.Entry}" : "W12";
        if (data == "W12" && step.IsWrite)
        {
            column.Add($"MOV W12,#{value}");
        }

        switch (load < 0 ? Dependency.None : step.On)
        {
            case Dependency.Address:
                column.AddRange([$"EOR X13,X{load},X{load}", $"ADD X14,{address},X13"]);
                address = "X14";
                break;
            case Dependency.PickedAddress:
                column.AddRange([$"CMP X{load},#1", $"CSEL X14,{address},{address},EQ"]);
                address = "X14";
                break;
            case Dependency.Data when step.IsWrite:
                column.AddRange([
                    $"EOR X13,X{load},X{load}",
                    step.Kind == TranslationStep.StoreEntry ? $"ADD X12,{data},X13" : "ADD W12,W12,W13",
                ]);
                data = step.Kind == TranslationStep.StoreEntry ? "X12" : data;
                break;
        }

        string place = step.IsTranslated && step.Place == 1 ? $"[{address},#4]" : $"[{address}]";
        if (step.Ordered && step.IsTranslated && step.Place == 1)
        {
            // Those have no offset.
            column.Add($"ADD X14,{address},#4");
            place = "[X14]";
        }

        switch (step.Kind)
        {
            case TranslationStep.StoreEntry or TranslationStep.StoreMemory or TranslationStep.StoreFlag:
                column.Add(
                    $"{(step.IsTranslated ? $"L{number}: " : "")}{(step.Ordered ? "STLR" : "STR")} {data},{place}"
                );
                break;
            case TranslationStep.LoadEntry or TranslationStep.LoadMemory or TranslationStep.LoadFlag:
                string width = step.Kind == TranslationStep.LoadEntry ? "X" : "W";
                column.Add(
                    $"{(step.IsTranslated ? $"L{number}: " : "")}{(step.Ordered ? "LDAR" : "LDR")} "
                        + $"{width}{number},{place}"
                );
                break;
            case TranslationStep.SwapFlag:
                column.Add($"SWPAL W12,W{number},{place}");
                break;
            case TranslationStep.Invalidate:
                column.Add($"TLBI VAAE1IS,{address}");
                break;
            case TranslationStep.InvalidateHere:
                column.Add($"TLBI VAAE1,{address}");
                break;
            case TranslationStep.InvalidateAll:
                column.Add("TLBI VMALLE1IS");
                break;
            case TranslationStep.FullBarrier:
                column.Add("DMB ISH");
                break;
            case TranslationStep.LoadBarrier:
                column.Add("DMB ISHLD");
                break;
            case TranslationStep.StoreBarrier:
                column.Add("DMB ISHST");
                break;
            case TranslationStep.Completion:
                column.Add("DSB ISH");
                break;
            case TranslationStep.LoadCompletion:
                column.Add("DSB ISHLD");
                break;
            case TranslationStep.StoreCompletion:
                column.Add("DSB ISHST");
                break;
            case TranslationStep.Context:
                column.Add("ISB");
                break;
            case TranslationStep.Branch when load >= 0:
                column.AddRange([$"CBNZ X{load},C{number}", $"C{number}: NOP"]);
                break;
            case TranslationStep.PickBranch when load >= 0:
                column.AddRange([$"CMP X{load},#1", "CSEL X13,XZR,XZR,EQ", $"CBNZ X13,C{number}", $"C{number}: NOP"]);
                break;
            default:
                column.Add("NOP");
                break;
        }
    }

    private static string Describe(TranslationProgram program, string[] names, Outcome outcome, MemoryLayout layout)
    {
        ulong ValueOf(string name) => outcome.Values[Array.IndexOf(names, name)];
        var parts = new List<string>();
        for (int thread = 0; thread < program.Threads.Count; thread++)
        {
            IReadOnlyList<TranslatedStep> steps = program.StepsOf(thread);
            bool faulted = false;
            for (int step = 0; step < steps.Count; step++)
            {
                if (step == program.Threads[thread].Count && !faulted)
                {
                    break;
                }

                if (steps[step].IsTranslated && ValueOf($"fault(P{thread}:L{step})") != 0)
                {
                    parts.Add($"{thread}.{step}:fault");
                    faulted = true;
                    step = program.Threads[thread].Count - 1;
                }
                else if (steps[step].IsRead)
                {
                    ulong value = ValueOf($"{thread}:X{step}");
                    bool isEntry = steps[step].Kind == TranslationStep.LoadEntry;
                    parts.Add($"{thread}.{step}:{(isEntry ? NumberOf(value, layout) : value)}");
                }
            }
        }

        return string.Join(" ", parts);
    }

    private static ulong NumberOf(ulong value, MemoryLayout layout) =>
        (ulong)Array.FindIndex(TranslationProgram.Entries, entry => entry == Format(value, layout));

    private static string Format(ulong value, MemoryLayout layout) =>
        value == 0 ? "0" : new AArch64PageEntries().Format(value, address => layout.Describe(address));
}
