using System.Diagnostics;
using System.Globalization;
using Crosscore.Rcu;

namespace Crosscore.Bench.Reclamation;

/// <summary>
/// What RCU costs its readers and its writers. Loops take turns with each other and with the C program, round after
/// round, and the fastest round counts: on a shared machine everything else measures the others.
/// </summary>
internal static class ReclamationBench
{
    private const int Rounds = 7;
    private const int Synchronizes = 2000;

    public static void Run()
    {
        (string? program, string? missing) = LiburcuPeer.Build();
        if (missing is not null)
        {
            Console.WriteLine();
            Console.WriteLine($"liburcu: {missing}");
        }

        var liburcu = new Dictionary<string, double>();
        using var loops = new ReadLoops();
        PrintSections(loops, program, liburcu);
        PrintGracePeriods(loops.Domain, loops, program, liburcu);
        PrintCoalescing();
    }

    private static void PrintSections(ReadLoops loops, string? program, Dictionary<string, double> liburcu)
    {
        (string Name, Func<long, long> Loop, long Turns)[] measured =
        [
            ("bare read", loops.Bare, 20_000_000),
            ("RCU section", loops.Section, 20_000_000),
            ("RCU section, no finally", loops.SectionWithoutFinally, 20_000_000),
            ("RCU section, reader held", loops.HeldReader, 20_000_000),
            ("bare read, a call for each", loops.BareCalled, 20_000_000),
            ("RCU section, a call for each", loops.SectionCalled, 20_000_000),
            ("RcuCell.Read", loops.Cell, 20_000_000),
            ("RCU section that may cross an await", loops.AsyncSection, 1_000_000),
            ("LightEpoch Resume, Suspend", loops.Epoch, 2_000_000),
            ("ReaderWriterLockSlim", loops.ReaderWriterLock, 2_000_000),
            ("lock", loops.Monitor, 2_000_000),
            ("Lock", loops.LockClass, 2_000_000),
        ];
        foreach ((_, Func<long, long> loop, _) in measured)
        {
            WarmUp(loop);
        }

        double[] alone = [.. measured.Select(_ => double.PositiveInfinity)];
        double[] both = [.. alone];
        for (int round = 0; round < Rounds; round++)
        {
            for (int i = 0; i < measured.Length; i++)
            {
                (_, Func<long, long> loop, long turns) = measured[i];
                alone[i] = Math.Min(alone[i], PinnedThread.Run(0, () => Time(loop, turns)));
                if (Environment.ProcessorCount > 1)
                {
                    both[i] = Math.Min(both[i], TwoAtOnce(loop, turns));
                }
            }

            if (program is not null && round % 2 == 0)
            {
                LiburcuPeer.Measure(program, liburcu);
            }
        }

        var table = new Table(
            $"Read sections, ns each, the read included (fastest of "
                + $"{Rounds} rounds; two readers: the slower of the two)",
            "section",
            "1 reader",
            "less bare",
            "2 readers",
            "2 to 1",
            "to RCU, 1",
            "to RCU, 2"
        );
        for (int i = 0; i < measured.Length; i++)
        {
            table.Add(
                measured[i].Name,
                Nanoseconds(alone[i]),
                Nanoseconds(alone[i] - alone[0]),
                Nanoseconds(both[i]),
                Table.Ratio(both[i], alone[i]),
                Table.Ratio(alone[i], alone[1]),
                Table.Ratio(both[i], both[1])
            );
        }

        if (liburcu.TryGetValue("section", out double section))
        {
            table.Add("liburcu-memb: bare", Nanoseconds(liburcu["bare"]), "", "", "", "", "");
            table.Add(
                "liburcu-memb: section",
                Nanoseconds(section),
                Nanoseconds(section - liburcu["bare"]),
                "",
                "",
                Table.Ratio(section, alone[1]),
                ""
            );
        }

        table.Print();
        if (liburcu.ContainsKey("section"))
        {
            Console.WriteLine($"  RCU section to liburcu-memb: {Table.Ratio(alone[1], section)}");
        }
    }

    private static void PrintGracePeriods(
        RcuDomain domain,
        ReadLoops loops,
        string? program,
        Dictionary<string, double> liburcu
    )
    {
        double idle = double.PositiveInfinity;
        double reading = double.PositiveInfinity;
        for (int round = 0; round < 3; round++)
        {
            idle = Math.Min(idle, PinnedThread.Run(0, () => Median(domain.Synchronize)));
            if (Environment.ProcessorCount > 1)
            {
                reading = Math.Min(reading, WithSpinningReader(loops, () => Median(domain.Synchronize)));
            }

            if (program is not null)
            {
                LiburcuPeer.Measure(program, liburcu);
            }
        }

        var table = new Table(
            "Synchronize, ns (median; smallest of three runs)",
            "readers",
            "here",
            "liburcu-memb",
            "ratio"
        );
        AddRow("none", idle, "synchronize-alone");
        AddRow("one spinning on another processor", reading, "synchronize-reader");
        table.Print();

        void AddRow(string name, double here, string key) =>
            table.Add(
                name,
                Table.Number(here),
                liburcu.TryGetValue(key, out double peer) ? Table.Number(peer) : "missing",
                Table.Ratio(here, peer)
            );
    }

    /// <summary>How many barriers serve how many callers.</summary>
    private static void PrintCoalescing()
    {
        var table = new Table(
            "16 threads call AsymmetricFence.Heavy",
            "how",
            "calls",
            "barriers",
            "barriers a call",
            "us a call and thread"
        );
        table.Add(Coalesce("again and again", meet: false));
        table.Add(Coalesce("all at once, round after round", meet: true));
        table.Print();
    }

    private static string[] Coalesce(string name, bool meet)
    {
        const int Threads = 16;
        const int Calls = 1000;
        using var barrier = new Barrier(Threads);
        long askedBefore = AsymmetricFence.HeavyCount;
        long issuedBefore = AsymmetricFence.BarrierCount;
        long began = Stopwatch.GetTimestamp();
        Thread[] threads =
        [
            .. Enumerable
                .Range(0, Threads)
                .Select(_ => new Thread(() =>
                {
                    barrier.SignalAndWait();
                    for (int i = 0; i < Calls; i++)
                    {
                        if (meet)
                        {
                            barrier.SignalAndWait();
                        }

                        AsymmetricFence.Heavy();
                    }
                })),
        ];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        TimeSpan time = Stopwatch.GetElapsedTime(began);
        long asked = AsymmetricFence.HeavyCount - askedBefore;
        long issued = AsymmetricFence.BarrierCount - issuedBefore;
        return
        [
            name,
            Table.Number(asked),
            Table.Number(issued),
            ((double)issued / asked).ToString("0.000", CultureInfo.InvariantCulture),
            Nanoseconds(time.TotalMicroseconds / Calls),
        ];
    }

    private static double WithSpinningReader(ReadLoops loops, Func<double> measured)
    {
        bool over = false;
        long progress = 0;
        Thread reader = PinnedThread.Start(
            1,
            () =>
            {
                while (!Volatile.Read(ref over))
                {
                    _ = loops.Section(1000);
                    Volatile.Write(ref progress, progress + 1);
                }
            }
        );
        SpinWait.SpinUntil(() => Volatile.Read(ref progress) > 1000);
        double result = PinnedThread.Run(0, measured);
        Volatile.Write(ref over, true);
        reader.Join();
        return result;
    }

    private static double TwoAtOnce(Func<long, long> loop, long turns)
    {
        using var start = new Barrier(2);
        double[] times = new double[2];
        Thread[] threads =
        [
            .. Enumerable
                .Range(0, 2)
                .Select(processor =>
                    PinnedThread.Start(
                        processor,
                        () =>
                        {
                            start.SignalAndWait();
                            times[processor] = Time(loop, turns);
                        }
                    )
                ),
        ];
        Array.ForEach(threads, thread => thread.Join());
        return times.Max();
    }

    /// <summary>
    /// Calls until the JIT has had reason and time to compile the method for good, not only its loop.
    /// </summary>
    private static void WarmUp(Func<long, long> loop)
    {
        for (int batch = 0; batch < 20; batch++)
        {
            for (int call = 0; call < 50; call++)
            {
                _ = loop(500);
            }

            Thread.Sleep(10);
        }
    }

    private static double Time(Func<long, long> loop, long turns)
    {
        long began = Stopwatch.GetTimestamp();
        long sum = loop(turns);
        double time = Stopwatch.GetElapsedTime(began).TotalNanoseconds / turns;
        return sum == turns ? time : throw new InvalidOperationException("A loop did not read what it should.");
    }

    private static double Median(Action call)
    {
        double[] times = new double[Synchronizes];
        for (int i = 0; i < times.Length; i++)
        {
            long began = Stopwatch.GetTimestamp();
            call();
            times[i] = Stopwatch.GetElapsedTime(began).TotalNanoseconds;
        }

        Array.Sort(times);
        return times[times.Length / 2];
    }

    private static string Nanoseconds(double value) =>
        double.IsInfinity(value) ? "-" : value.ToString(value < 10 ? "0.00" : "0.0", CultureInfo.InvariantCulture);
}
