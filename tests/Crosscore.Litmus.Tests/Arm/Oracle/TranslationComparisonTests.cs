using System.Globalization;
using System.Text;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Model;
using Crosscore.Model.Exploration;

namespace Crosscore.Litmus.Tests.Arm.Oracle;

/// <summary>The machine's translation of addresses against the axioms, on programs that nobody wrote. CROSSCORE_ARM_SEED and CROSSCORE_ARM_FACTOR choose others, and more.</summary>
public class TranslationComparisonTests
{
    private static int Seed => int.Parse(Environment.GetEnvironmentVariable("CROSSCORE_ARM_SEED") ?? "1", CultureInfo.InvariantCulture);

    private static int Factor => int.Parse(Environment.GetEnvironmentVariable("CROSSCORE_ARM_FACTOR") ?? "1", CultureInfo.InvariantCulture);

    // Somebody who changes the entry, with everything that belongs to it; what is left out of it, and what others do, is by chance.
    private static readonly TranslatedStep[] Shootdown =
    [
        new(TranslationStep.StoreEntry, TranslationProgram.Nowhere), new(TranslationStep.Completion, 0), new(TranslationStep.Invalidate, 0), new(TranslationStep.Completion, 0),
        new(TranslationStep.StoreFlag, 0), new(TranslationStep.StoreEntry, 2),
    ];

    [Fact]
    public void The_oracle_knows_what_an_invalidation_needs()
    {
        TranslatedStep[] reader = [new(TranslationStep.LoadFlag, 0), new(TranslationStep.LoadBarrier, 0), new(TranslationStep.Load, 0)];
        TranslatedStep[] unmap = Shootdown[..5];
        Assert.DoesNotContain("1.0:1014 1.2:1000", TranslationOracle.OutcomesOf(new TranslationProgram([unmap, reader], 0)));
        for (int left = 1; left < 4; left++)
        {
            TranslatedStep[] without = [.. unmap];
            without[left] = new TranslatedStep(TranslationStep.StoreBarrier, 0);
            Assert.Contains("1.0:1014 1.2:1000", TranslationOracle.OutcomesOf(new TranslationProgram([without, reader], 0)));
        }
    }

    [Fact]
    public void The_machine_finds_what_the_axioms_allow_on_random_programs_about_translation()
    {
        var random = new Random(Seed);
        int different = 0;
        for (int number = 0; number < 300 * Factor; number++)
        {
            TranslationProgram program = Make(random);
            while (CandidatesOf(program) > MostCandidates)
            {
                program = Make(random);
            }

            IReadOnlySet<string> expected = TranslationOracle.OutcomesOf(program);
            string text = TextOf(program);
            LitmusTest test = Tests.Syntax.Litmus.Parse(text);
            ModelVerdict verdict = Outcomes.Explore(test, CoreKind.AArch64);
            HashSet<string> found = [.. verdict.Allowed.Select(outcome => Describe(program, test, outcome, verdict.Layout))];
            Assert.True(found.SetEquals(expected), $"{text}\nthe axioms alone: {string.Join(" | ", expected.Except(found))}\nthe machine alone: {string.Join(" | ", found.Except(expected))}");
            different += expected.Count > 1 ? 1 : 0;
        }

        Assert.True(different > 100, "Most of the programs have one outcome: they show nothing.");
    }

    // About how many executions the oracle has to try.
    private const double MostCandidates = 5_000;

    private static double CandidatesOf(TranslationProgram program)
    {
        TranslatedStep[] all = [.. program.Threads.SelectMany(steps => steps)];
        int entries = all.Count(step => step.Kind == TranslationStep.StoreEntry);
        int flags = all.Count(step => step.Kind == TranslationStep.StoreFlag);
        int stores = all.Count(step => step.Kind == TranslationStep.Store);
        double orders = Enumerable.Range(2, Math.Max(0, entries - 1)).Concat(Enumerable.Range(2, Math.Max(0, flags - 1))).Concat(Enumerable.Range(2, Math.Max(0, stores - 1))).Aggregate(1.0, (all, next) => all * next);
        return orders * all.Aggregate(1.0, (product, step) => product * step.Kind switch
        {
            TranslationStep.LoadEntry => entries + 1,
            TranslationStep.LoadFlag => flags + 1,
            TranslationStep.Store => entries + 1,
            TranslationStep.Load => (entries + 1) * ((stores / 2.0) + 1),
            TranslationStep.Invalidate or TranslationStep.InvalidateHere => 2,
            _ => 1,
        });
    }

    private static TranslationProgram Make(Random random)
    {
        var threads = new List<IReadOnlyList<TranslatedStep>>();
        int count = random.Next(6) == 0 ? 3 : random.Next(5) == 0 ? 1 : 2;
        for (int thread = 0; thread < count; thread++)
        {
            threads.Add(thread == 0 || random.Next(6) == 0
                ? [.. Shootdown.Where(_ => random.Next(6) != 0).SelectMany(step => random.Next(5) == 0 ? (TranslatedStep[])[step, Any(random)] : random.Next(8) == 0 ? [Any(random)] : [step])]
                : [.. Enumerable.Range(0, random.Next(2, count == 3 ? 4 : 5)).Select(_ => Any(random))]);
        }

        return new TranslationProgram(threads, random.Next(4) == 0 ? TranslationProgram.Nowhere : 0);
    }

    private static TranslatedStep Any(Random random)
    {
        TranslationStep kind = random.Next(10) < 5
            ? (TranslationStep)random.Next((int)TranslationStep.LoadFlag + 1)
            : (TranslationStep)random.Next((int)TranslationStep.Context + 1);
        kind = random.Next(4) == 0 ? TranslationStep.Load : random.Next(8) == 0 ? TranslationStep.Context : kind;
        return new TranslatedStep(kind, random.Next(TranslationProgram.Entries.Length));
    }

    private static string TextOf(TranslationProgram program)
    {
        var state = new StringBuilder("int x=0; int y=100; int f=0; [PTE(x)]=" + TranslationProgram.Entries[program.Initial] + "; ");
        var columns = new List<List<string>>();
        var asked = new List<string>();
        for (int thread = 0; thread < program.Threads.Count; thread++)
        {
            state.Append(CultureInfo.InvariantCulture, $"{thread}:X20=PTE(x); {thread}:X21=x; {thread}:X22=f; ");
            for (int entry = 0; entry < TranslationProgram.Entries.Length; entry++)
            {
                state.Append(CultureInfo.InvariantCulture, $"pteval_t {thread}:X{23 + entry}={TranslationProgram.Entries[entry]}; ");
            }

            var column = new List<string> { "LSR X26,X21,#12" };
            for (int step = 0; step < program.Threads[thread].Count; step++)
            {
                TranslatedStep now = program.Threads[thread][step];
                string data = $"MOV W27,#{(10 * (thread + 1)) + step}";
                switch (now.Kind)
                {
                    case TranslationStep.StoreEntry: column.Add($"STR X{23 + now.Value},[X20]"); break;
                    case TranslationStep.LoadEntry: column.Add($"LDR X{step},[X20]"); break;
                    case TranslationStep.Store: column.AddRange([data, $"L{step}: STR W27,[X21]"]); break;
                    case TranslationStep.Load: column.Add($"L{step}: LDR W{step},[X21]"); break;
                    case TranslationStep.StoreFlag: column.AddRange([data, "STR W27,[X22]"]); break;
                    case TranslationStep.LoadFlag: column.Add($"LDR W{step},[X22]"); break;
                    case TranslationStep.Invalidate: column.Add("TLBI VAAE1IS,X26"); break;
                    case TranslationStep.InvalidateHere: column.Add("TLBI VAAE1,X26"); break;
                    case TranslationStep.FullBarrier: column.Add("DMB ISH"); break;
                    case TranslationStep.LoadBarrier: column.Add("DMB ISHLD"); break;
                    case TranslationStep.StoreBarrier: column.Add("DMB ISHST"); break;
                    case TranslationStep.Completion: column.Add("DSB ISH"); break;
                    case TranslationStep.LoadCompletion: column.Add("DSB ISHLD"); break;
                    case TranslationStep.StoreCompletion: column.Add("DSB ISHST"); break;
                    default: column.Add("ISB"); break;
                }

                asked.Add(now.IsTranslated ? $"fault(P{thread}:L{step},x);" : "");
                asked.Add(now.IsRead ? $"{thread}:X{step};" : "");
            }

            columns.Add(column);
        }

        int rows = columns.Max(column => column.Count);
        string body = string.Concat(Enumerable.Range(0, rows).Select(row => string.Join(" | ", columns.Select(column => row < column.Count ? column[row] : "")) + " ;\n"));
        return $"AArch64 Random\nVariant=vmsa,fatal\n{{ {state} }}\n{string.Join(" | ", columns.Select((_, thread) => $"P{thread}"))} ;\n{body}locations [{string.Concat(asked)}]\nforall true\n";
    }

    private static string Describe(TranslationProgram program, LitmusTest test, Outcome outcome, MemoryLayout layout)
    {
        ulong ValueOf(string name)
        {
            int index = test.Observables.ToList().FindIndex(observable => observable.ToString() == name);
            return outcome.Values[index];
        }

        var parts = new List<string>();
        for (int thread = 0; thread < program.Threads.Count; thread++)
        {
            for (int step = 0; step < program.Threads[thread].Count; step++)
            {
                TranslatedStep now = program.Threads[thread][step];
                if (now.IsTranslated && ValueOf($"fault(P{thread}:L{step},x)") != 0)
                {
                    parts.Add($"{thread}.{step}:fault");
                    break;
                }

                if (now.IsRead)
                {
                    ulong value = ValueOf($"{thread}:X{step}");
                    parts.Add($"{thread}.{step}:{(now.Kind == TranslationStep.LoadEntry ? (ulong)Array.FindIndex(TranslationProgram.Entries, entry => Same(entry, value, layout)) : 1000 + value)}");
                }
            }
        }

        return string.Join(" ", parts);
    }

    private static bool Same(string entry, ulong value, MemoryLayout layout) =>
        layout.Format(value, DataType.TableEntry) == entry.Replace(", valid:1", "", StringComparison.Ordinal);
}
