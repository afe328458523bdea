using System.Diagnostics;
using Crosscore.Rcu;

namespace Crosscore.Bench.Reclamation;

/// <summary>
/// What waiting for readers costs those who do not wait: other work of the thread pool, and callers of Retire.
/// </summary>
internal static class WaitingBench
{
    private const int Domains = 40;
    private const int Tasks = 2_000;
    private const int Rounds = 5;
    private const int QuietRounds = 15;
    private const int WarmUp = 1_000; // calls, so that the code is compiled as in a process that uses the domain
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(2.5); // the thread of a domain goes after 2 s

    /// <summary>
    /// The latency of an empty task, without grace periods and beside 40 that wait for a reader who stays.
    /// </summary>
    public static void RunPool()
    {
        _ = TaskLatency(); // warms up
        double without = double.PositiveInfinity;
        double beside = double.PositiveInfinity;
        RcuDomain[] domains = [.. Enumerable.Range(0, Domains).Select(_ => new RcuDomain())];
        for (int round = 0; round < Rounds; round++)
        {
            without = Math.Min(without, TaskLatency());
            RcuAsyncReadSection[] readers = [.. domains.Select(domain => domain.EnterAsyncReadSection())];
            RcuGracePeriod[] polls = [.. domains.Select(domain => domain.StartPoll())];
            beside = Math.Min(beside, TaskLatency());
            if (domains.Zip(polls).Any(pair => pair.First.Poll(pair.Second)))
            {
                throw new InvalidOperationException(
                    "A grace period did not wait for its reader, so nothing was measured."
                );
            }

            Array.ForEach(readers, reader => reader.Dispose());
            SpinWait.SpinUntil(() => domains.Zip(polls).All(pair => pair.First.Poll(pair.Second)));
        }

        Array.ForEach(domains, domain => domain.Dispose());
        var table = new Table(
            $"Task.Run of nothing, us until it is over (median of {Tasks}; smallest of {Rounds} rounds)",
            "beside",
            "us",
            "ratio"
        );
        table.Add("nothing", Table.Number(1e6 * without), "");
        table.Add(
            $"{Domains} domains whose reader stays, a grace period asked for in each",
            Table.Number(1e6 * beside),
            Table.Ratio(beside, without)
        );
        table.Print();
    }

    /// <summary>
    /// A call of Retire on a domain that has been quiet for so long that its thread has gone, and on one whose thread
    /// waits.
    /// </summary>
    public static void RunQuiet()
    {
        using var domain = new RcuDomain();
        for (int call = 0; call < WarmUp; call++)
        {
            domain.Retire(0, static _ => { });
        }

        domain.Barrier();
        var quiet = new double[QuietRounds];
        var busy = new double[QuietRounds];
        for (int round = 0; round < QuietRounds; round++)
        {
            Thread.Sleep(Quiet);
            quiet[round] = Retire(domain);
            domain.Barrier();
            busy[round] = Retire(domain);
            domain.Barrier();
        }

        Array.Sort(quiet);
        Array.Sort(busy);
        var table = new Table(
            $"Retire, us for the caller ({QuietRounds} calls)",
            "domain",
            "median",
            "smallest",
            "largest"
        );
        table.Add(
            $"quiet for {Quiet.TotalSeconds} s",
            Table.Number(quiet[QuietRounds / 2]),
            Table.Number(quiet[0]),
            Table.Number(quiet[^1])
        );
        table.Add("in use", Table.Number(busy[QuietRounds / 2]), Table.Number(busy[0]), Table.Number(busy[^1]));
        table.Print();
    }

    private static double Retire(RcuDomain domain)
    {
        long began = Stopwatch.GetTimestamp();
        domain.Retire(0, static _ => { });
        return Stopwatch.GetElapsedTime(began).TotalMicroseconds;
    }

    private static double TaskLatency()
    {
        var times = new double[Tasks];
        for (int i = 0; i < Tasks; i++)
        {
            long began = Stopwatch.GetTimestamp();
            Task.Run(static () => { }).Wait();
            times[i] = Stopwatch.GetElapsedTime(began).TotalSeconds;
        }

        Array.Sort(times);
        return times[Tasks / 2];
    }
}
