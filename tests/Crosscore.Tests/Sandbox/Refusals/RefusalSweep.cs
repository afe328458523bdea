using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Crosscore.Linux;
using Crosscore.Tests.Raw;

namespace Crosscore.Tests.Sandbox.Refusals;

/// <summary>
/// Refuses, one after the other, the system calls that the library makes in a scenario, with each of six errors, once
/// and forever, in the first use of the process and in a later one, and demands: the use ends in what is documented;
/// after a single refusal the next use does everything; when nothing is refused any more everything is done, whatever
/// was refused before; the thread may run where it could; and no descriptor and no memory file stays.
/// <see cref="RefusalScenario"/> says how a folder's calls are swept.
/// </summary>
/// <remarks>
/// <para>In the normal suite the first call of each kind of a later use meets each error, the others one error each,
/// and of the calls of a first use only a few are refused, because each case of a first use compiles the library anew.
/// With the environment variable CROSSCORE_REFUSALS=all every call meets every error in both, which takes minutes a
/// scenario.</para>
/// <para>Refused are the calls of the library and no others, by a <see cref="CallGate"/> between it and the C library,
/// on Linux on x86-64. Elsewhere the test is skipped with the reason. Each case must have refused what it says, but for
/// a few calls that depend on what other threads do; both numbers are printed.</para>
/// </remarks>
internal static class RefusalSweep
{
    private const string AllVariable = "CROSSCORE_REFUSALS";

    /// <summary>Cases of a first use in the normal suite.</summary>
    private const int SelectedFirstUses = 8;

    /// <summary>What each call is answered with.</summary>
    public static IReadOnlyList<int> Errors { get; } =
    [Errno.EPERM, Errno.EMFILE, Errno.ENOMEM, Errno.EINTR, Errno.EAGAIN, Errno.ENOSYS];

    /// <summary>Sweeps one scenario; prints the number of calls and refusals.</summary>
    /// <param name="scenarios">The class with the property <c>All</c>.</param>
    /// <param name="name">The scenario.</param>
    /// <param name="print">Where the figures go.</param>
    /// <param name="settings">Added to the environment of the child.</param>
    public static void Check(
        Type scenarios,
        string name,
        Action<string> print,
        params (string Name, string Value)[] settings
    )
    {
        Machine.NeedsRawPrograms();

        // Beside the tests, where libraries may certainly be executed; a temporary folder may be mounted noexec.
        string folder = Path.Combine(AppContext.BaseDirectory, $"refusals-{Guid.NewGuid():N}");
        _ = Directory.CreateDirectory(folder);
        try
        {
            SweepCases(
                name,
                print,
                new Session(
                    folder,
                    [
                        .. settings,
                        (RefusalChild.FolderVariable, folder),
                        (RefusalChild.ScenarioVariable, $"{scenarios.FullName}|{name}"),
                    ]
                )
            );
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void SweepCases(string name, Action<string> print, Session session)
    {
        var watch = Stopwatch.StartNew();
        (string Part, string Text)[] lines = session.Run(null, out string errors);
        Assert.All(
            (string[])["warm", "first", "later"],
            part =>
                Assert.Equal(
                    (part, "done", errors),
                    (part, lines.FirstOrDefault(line => line.Part == part).Text, errors)
                )
        );
        WatchedCall[] first = Calls("first", lines);
        WatchedCall[] later = Calls("later", lines);
        bool all = Environment.GetEnvironmentVariable(AllVariable) == "all";
        Refusal[] cases =
        [
            .. all ? EveryCase(first, fresh: true) : Selection(EveryCase(first, fresh: true)),
            .. EveryCase(later, fresh: false).Where((one, i) => all || one.Occurrence == 0 || i % 6 == 0),
        ];
        Assert.NotEmpty(cases);

        (string[] failures, int refused, string[] notMade) = session.Judge(cases);
        string kinds = string.Join(", ", first.Concat(later).Select(call => call.Name).Distinct());
        print(
            $"{name}: {first.Length} system calls of a first use and {later.Length} of a later one ({kinds}), "
                + $"{cases.Length} cases, {cases.Length - notMade.Length} "
                + $"made, {refused} refusals, {failures.Length} lost "
                + $"or remembered, {watch.Elapsed.TotalSeconds:F0} s{(all ? "" : " (a selection)")}"
        );
        Array.ForEach(notMade, one => print($"not made: {one}"));
        Assert.True(
            failures.Length == 0,
            $"{failures.Length} of {cases.Length}:\n{string.Join('\n', failures.Take(60))}"
        );
        Assert.True(notMade.Length <= 1 + (cases.Length / 20), $"{notMade.Length} of {cases.Length} were not refused.");
    }

    private static WatchedCall[] Calls(string title, (string Part, string Text)[] lines) =>
        [
            .. lines
                .Where(line => line.Part == "call")
                .Select(line => line.Text.Split('\t'))
                .Where(parts => parts[0] == title)
                .Select(parts => new WatchedCall(parts[1], parts[2])),
        ];

    /// <summary>Each call with each error, and the first of its kind forever as well.</summary>
    private static IEnumerable<Refusal> EveryCase(WatchedCall[] calls, bool fresh)
    {
        for (int place = 0; place < calls.Length; place++)
        {
            WatchedCall call = calls[place];
            int occurrence = calls.Take(place).Count(earlier => earlier == call);
            foreach (int errno in Errors)
            {
                yield return new(fresh, call, occurrence, errno, ForEver: false);
                if (occurrence == 0)
                {
                    yield return new(fresh, call, occurrence, errno, ForEver: true);
                }
            }
        }
    }

    /// <summary>The same ones each time, of all calls and with all errors.</summary>
    private static IEnumerable<Refusal> Selection(IEnumerable<Refusal> cases)
    {
        Refusal[] every = [.. cases];
        int step = Math.Max(1, every.Length / SelectedFirstUses) | 1; // Odd, so that both once and forever are met.
        return every.Where((_, i) => i % step == 0);
    }

    /// <summary>The children of a scenario: each does cases until it hangs, dies or has loaded enough copies.</summary>
    private sealed class Session(string folder, (string Name, string Value)[] settings)
    {
        private static readonly TimeSpan Silence = TimeSpan.FromMinutes(3);

        /// <summary>Runs a child to its end and returns what it printed.</summary>
        public (string Part, string Text)[] Run(int? start, out string errors)
        {
            using Process child = ChildProcess.StartThisProgram(
                Child.MeetRefusals,
                [
                    .. settings,
                    (RefusalChild.StartVariable, string.Create(CultureInfo.InvariantCulture, $"{start}")),
                    ("DOTNET_TieredPGO", "0"),
                ]
            );
            Task<string> reading = child.StandardError.ReadToEndAsync();
            using var lines = new BlockingCollection<(string, string)>();
            var printed = Task.Run(() =>
            {
                while (child.StandardOutput.ReadLine() is { } line)
                {
                    int tab = line.IndexOf('\t', StringComparison.Ordinal);
                    lines.Add(tab < 0 ? ("", line) : (line[..tab], line[(tab + 1)..]));
                }

                lines.CompleteAdding();
            });
            List<(string, string)> result = [];
            while (!lines.IsCompleted)
            {
                if (lines.TryTake(out (string, string) line, Silence))
                {
                    result.Add(line);
                }
                else if (!lines.IsCompleted)
                {
                    result.Add(("hung", $"the child said nothing for {Silence}"));
                    child.Kill(entireProcessTree: true);
                    break;
                }
            }

            child.WaitForExit();
            printed.Wait();
            errors = child.ExitCode == 0 ? "" : $"status {child.ExitCode}: {reading.GetAwaiter().GetResult()}";
            return [.. result];
        }

        /// <summary>Runs all cases.</summary>
        public (string[] Failures, int Refused, string[] NotMade) Judge(Refusal[] cases)
        {
            File.WriteAllLines(Path.Combine(folder, RefusalChild.CasesFile), cases.Select(one => one.Line));
            List<string> failures = [];
            List<string> notMade = [];
            int refused = 0;
            for (int next = 0; next < cases.Length; )
            {
                int begun = next - 1;
                bool ended = true;
                foreach ((string part, string text) in Run(next, out string errors).Append(("exit", errors)))
                {
                    Refusal? refusal = begun < 0 ? null : cases[begun];
                    if (part == "begin")
                    {
                        begun = int.Parse(text, CultureInfo.InvariantCulture);
                        ended = false;
                    }
                    else if (part == "end")
                    {
                        ended = true;
                    }
                    else if (part == "refused")
                    {
                        int count = int.Parse(text, CultureInfo.InvariantCulture);
                        refused += count;
                        if (count == 0)
                        {
                            notMade.Add($"{refusal}");
                        }
                    }
                    else if (part == "hung")
                    {
                        failures.Add($"{refusal}: hung: {text}");
                        ended = true;
                    }
                    else if (part == "exit" && !ended)
                    {
                        failures.Add($"{refusal}: died: {text}");
                    }
                    else if (IsFailure(part, text, refusal))
                    {
                        failures.Add($"{refusal}: {part}: {text}");
                    }
                }

                Assert.True(begun >= next, "The child began no case.");
                next = begun + 1;
            }

            return ([.. failures], refused, [.. notMade]);
        }

        private static bool IsFailure(string part, string text, Refusal? refusal)
        {
            bool documented = text == "done" || text.StartsWith("documented", StringComparison.Ordinal);
            return part switch
            {
                "first" => !documented,
                "second" => !(refusal!.ForEver ? documented : text == "done"),
                "warm" or "later" => text != "done",
                "affinity" or "held" => text != "same",
                _ => false,
            };
        }
    }
}
