using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Syntax;

/// <summary>Where a thread of a test is at the start.</summary>
/// <param name="Cpu">Its CPU.</param>
/// <param name="Start">Whether it runs there, waits for it, or sleeps inside of a system call.</param>
/// <param name="AddressSpace">The name of its address space; <see langword="null"/> for a kernel thread.</param>
/// <param name="Pinned">Whether it stays on its CPU.</param>
/// <param name="TakesSignals">Whether signals come to it, at any instruction.</param>
internal sealed record ThreadPlacement(
    int Cpu,
    TaskStart Start,
    string? AddressSpace,
    bool Pinned,
    bool TakesSignals = false
);

/// <summary>What the caller asks of the machine beneath tests, beyond what the tests say themselves.</summary>
/// <param name="Cpus">The fewest CPUs that it has.</param>
/// <param name="Offline">CPUs, as a bit mask, that are offline, of those that it has.</param>
internal readonly record struct TestMachine(int Cpus, int Offline);

/// <summary>The CPUs of a test and the threads on them, as header lines say it; see docs/litmus.md.</summary>
/// <param name="Cpus">How many CPUs there are.</param>
/// <param name="Threads">One placement for each thread.</param>
/// <param name="Offline">The CPUs, as a bit mask, that are offline.</param>
/// <param name="HasIdle">Whether each CPU has an idle task to switch to.</param>
/// <param name="Schedules">Whether tasks are switched.</param>
/// <param name="IsPlain">Whether nothing of this was written: each thread has a separate CPU, and the same address
/// space.</param>
internal sealed record TestSystem(
    int Cpus,
    IReadOnlyList<ThreadPlacement> Threads,
    int Offline,
    bool HasIdle,
    bool Schedules,
    bool IsPlain
)
{
    /// <summary>The most CPUs that a test can have.</summary>
    public const int MaxCpus = 8;

    private const string DefaultAddressSpace = "a";

    /// <summary>Whether a CPU is online.</summary>
    /// <param name="cpu">Its number.</param>
    public bool IsOnline(int cpu) => (Offline >> cpu & 1) == 0;

    /// <summary>Gets the CPUs that have an idle task, in their order. One that is offline has nothing else.</summary>
    public IReadOnlyList<int> IdleCpus =>
        [
            .. Enumerable
                .Range(0, Cpus)
                .Where(cpu =>
                    (HasIdle && IsOnline(cpu))
                    || !Threads.Any(thread => thread.Cpu == cpu && thread.Start == TaskStart.Running)
                ),
        ];

    /// <summary>Gets the same on another machine.</summary>
    /// <param name="machine">The machine.</param>
    /// <param name="file">The test's file, for an error.</param>
    /// <exception cref="LitmusException">A thread would be on a CPU that is offline.</exception>
    public TestSystem On(TestMachine machine, string file)
    {
        int cpus = Math.Max(Cpus, machine.Cpus);
        int offline = (Offline | machine.Offline) & ((1 << cpus) - 1);
        int displaced = Threads.ToList().FindIndex(thread => (offline >> thread.Cpu & 1) != 0);
        return displaced < 0
            ? this with
            {
                Cpus = cpus,
                Offline = offline,
            }
            : throw new LitmusException(
                file,
                new SourcePosition(1, 1),
                $"found CPU {Threads[displaced].Cpu} offline, expected it online: P{displaced} is there at the start"
            );
    }

    /// <summary>Gets the names of the address spaces, in the order of first mention.</summary>
    public IReadOnlyList<string> AddressSpaces =>
        [.. Threads.Select(thread => thread.AddressSpace).OfType<string>().Distinct()];

    internal static TestSystem Parse(
        LitmusScanner scanner,
        IReadOnlyDictionary<string, string> properties,
        IReadOnlyDictionary<string, SourcePosition> positions,
        int threads
    )
    {
        bool plain = !properties.Keys.Any(key => key is "Cpus" or "Offline" or "Idle" or "Schedule" || IsThread(key));
        var placements = new List<ThreadPlacement>();
        for (int thread = 0; thread < threads; thread++)
        {
            placements.Add(
                properties.TryGetValue($"P{thread}", out string? line)
                    ? ParseThread(scanner, line, positions[$"P{thread}"], thread)
                    : new ThreadPlacement(thread, TaskStart.Running, DefaultAddressSpace, false)
            );
        }

        foreach (string key in properties.Keys.Where(key => IsThread(key) && int.Parse(key[1..]) >= threads))
        {
            throw scanner.Error(positions[key], $"found a place for {key}, but the last column is P{threads - 1}");
        }

        int needed = placements.Max(placement => placement.Cpu) + 1;
        int cpus = Number(scanner, properties, positions, "Cpus", needed);
        if (cpus < needed || cpus > MaxCpus)
        {
            throw scanner.Error(positions["Cpus"], $"found {cpus} CPUs, expected {needed} to {MaxCpus}");
        }

        int offline = ParseOffline(scanner, properties, positions, cpus, placements);

        CheckRunning(scanner, positions, cpus, placements);
        bool schedules = YesNo(scanner, properties, positions, "Schedule", !plain);
        int waiting = schedules ? -1 : placements.FindIndex(placement => placement.Start != TaskStart.Running);
        if (waiting >= 0)
        {
            // Its column would never be executed, and the verdict would be about another test.
            throw scanner.Error(
                positions[$"P{waiting}"],
                $"found P{waiting} {(placements[waiting].Start == TaskStart.Asleep ? "asleep" : "runnable")} "
                    + "with Schedule=no, so that it would never run; expected running, or no Schedule=no"
            );
        }

        return new TestSystem(
            cpus,
            placements,
            offline,
            YesNo(scanner, properties, positions, "Idle", false),
            schedules,
            plain
        );
    }

    // At the start at most one thread runs on a CPU.
    private static void CheckRunning(
        LitmusScanner scanner,
        IReadOnlyDictionary<string, SourcePosition> positions,
        int cpus,
        List<ThreadPlacement> placements
    )
    {
        for (int cpu = 0; cpu < cpus; cpu++)
        {
            int[] running =
            [
                .. Enumerable
                    .Range(0, placements.Count)
                    .Where(thread => placements[thread].Cpu == cpu && placements[thread].Start == TaskStart.Running),
            ];
            if (running.Length > 1)
            {
                SourcePosition position = positions.GetValueOrDefault($"P{running[1]}", new SourcePosition(1, 1));
                throw scanner.Error(
                    position,
                    $"found P{running[0]} and P{running[1]} both running on "
                        + $"CPU {cpu}, expected one of them runnable or asleep"
                );
            }
        }
    }

    private static bool IsThread(string key) => key.Length > 1 && key[0] == 'P' && key.Skip(1).All(char.IsAsciiDigit);

    private static ThreadPlacement ParseThread(LitmusScanner scanner, string line, SourcePosition position, int thread)
    {
        int cpu = thread;
        TaskStart start = TaskStart.Running;
        string? space = DefaultAddressSpace;
        bool pinned = false;
        bool signals = false;
        string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        for (int index = 0; index < words.Length; index++)
        {
            string? next = index + 1 < words.Length ? words[index + 1] : null;
            switch (words[index])
            {
                case "cpu" when int.TryParse(next, out int number) && number is >= 0 and < MaxCpus:
                    cpu = number;
                    index++;
                    break;
                case "mm" when next is not null:
                    space = next;
                    index++;
                    break;
                case "running":
                    start = TaskStart.Running;
                    break;
                case "runnable":
                    start = TaskStart.Runnable;
                    break;
                case "asleep":
                    start = TaskStart.Asleep;
                    break;
                case "pinned":
                    pinned = true;
                    break;
                case "signals":
                    signals = true;
                    break;
                case "kthread":
                    space = null;
                    break;
                default:
                    throw scanner.Error(
                        position,
                        $"found '{words[index]}' in the place of P{thread}, expected cpu N, "
                            + "mm NAME, running, runnable, asleep, pinned, signals or kthread"
                    );
            }
        }

        return new ThreadPlacement(cpu, start, space, pinned, signals);
    }

    private static int ParseOffline(
        LitmusScanner scanner,
        IReadOnlyDictionary<string, string> properties,
        IReadOnlyDictionary<string, SourcePosition> positions,
        int cpus,
        List<ThreadPlacement> placements
    )
    {
        int offline = 0;
        foreach (
            string word in (properties.GetValueOrDefault("Offline") ?? "").Split(
                ' ',
                StringSplitOptions.RemoveEmptyEntries
            )
        )
        {
            if (!int.TryParse(word, out int cpu) || cpu < 0 || cpu >= cpus)
            {
                throw scanner.Error(
                    positions["Offline"],
                    $"found '{word}' among the CPUs that are offline, expected numbers from 0 to {cpus - 1}"
                );
            }

            int displaced = placements.FindIndex(placement => placement.Cpu == cpu);
            offline |=
                displaced < 0
                    ? 1 << cpu
                    : throw scanner.Error(
                        positions["Offline"],
                        $"found CPU {cpu} offline, expected it online: P{displaced} is there at the start"
                    );
        }

        return offline;
    }

    private static int Number(
        LitmusScanner scanner,
        IReadOnlyDictionary<string, string> properties,
        IReadOnlyDictionary<string, SourcePosition> positions,
        string key,
        int otherwise
    )
    {
        if (!properties.TryGetValue(key, out string? text))
        {
            return otherwise;
        }

        return int.TryParse(text, out int number)
            ? number
            : throw scanner.Error(positions[key], $"found '{key}={text}', expected a number");
    }

    private static bool YesNo(
        LitmusScanner scanner,
        IReadOnlyDictionary<string, string> properties,
        IReadOnlyDictionary<string, SourcePosition> positions,
        string key,
        bool otherwise
    )
    {
        if (!properties.TryGetValue(key, out string? text))
        {
            return otherwise;
        }

        return text switch
        {
            "yes" => true,
            "no" => false,
            _ => throw scanner.Error(positions[key], $"found '{key}={text}', expected yes or no"),
        };
    }
}
