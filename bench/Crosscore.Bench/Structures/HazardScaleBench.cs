using System.Diagnostics;
using Crosscore.HazardPointers;

namespace Crosscore.Bench.Structures;

/// <summary>
/// What the first use of a domain costs a thread where many threads live, and what a retirement costs its caller after
/// a quiet time.
/// </summary>
internal static class HazardScaleBench
{
    private const int Few = 1_000;
    private const int Many = 8_000;
    private const int Newcomers = 400;
    private const int QuietRounds = 15;
    private const int StackSize = 64 << 10;
    private const int WarmUp = 1_000; // calls
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(2);

    public static void Run()
    {
        var joining = new Table(
            $"First Acquire of a thread, median of {Newcomers} threads, while others live that have acquired",
            "living threads",
            "ns",
            "ratio"
        );
        _ = FirstAcquires(10); // compiled
        double few = FirstAcquires(Few);
        double many = FirstAcquires(Many);
        joining.Add(Table.Number(Few), Table.Number(few), Table.Ratio(few, few));
        joining.Add(Table.Number(Many), Table.Number(many), Table.Ratio(many, few));
        joining.Print();

        var retiring = new Table(
            $"Retire, median of {QuietRounds}, each after {Quiet.TotalSeconds:N0} seconds without one",
            "domain",
            "us"
        );
        using var callers = new HazardDomain(executor: HazardExecutor.Caller);
        using var own = new HazardDomain(new HazardDomainOptions { Executor = HazardExecutor.Background });
        retiring.Add("the default one", Microseconds(HazardDomain.Default));
        retiring.Add("an own one with a background thread", Microseconds(own));
        retiring.Add("an own one without, where no thread is woken", Microseconds(callers));
        retiring.Print();
    }

    private static double FirstAcquires(int living)
    {
        using var domain = new HazardDomain();
        using var leave = new ManualResetEventSlim();
        using var inside = new CountdownEvent(living);
        var threads = new List<Thread>();
        for (int index = 0; index < living; index++)
        {
            threads.Add(
                Start(() =>
                {
                    domain.Acquire().Dispose();
                    _ = inside.Signal();
                    leave.Wait();
                })
            );
        }

        inside.Wait();
        double[] times = new double[Newcomers];
        for (int index = 0; index < Newcomers; index++)
        {
            Start(() =>
                {
                    long began = Stopwatch.GetTimestamp();
                    domain.Acquire().Dispose();
                    times[index] = Stopwatch.GetElapsedTime(began).TotalNanoseconds;
                })
                .Join();
        }

        leave.Set();
        threads.ForEach(thread => thread.Join());
        return Median(times);
    }

    private static string Microseconds(HazardDomain domain)
    {
        // So that the code is compiled as in a process that uses the domain.
        for (int call = 0; call < WarmUp; call++)
        {
            domain.Retire(new object(), static _ => { });
        }

        _ = domain.Reclaim();
        double[] times = new double[QuietRounds];
        for (int round = 0; round < QuietRounds; round++)
        {
            Thread.Sleep(Quiet);
            long began = Stopwatch.GetTimestamp();
            domain.Retire(new object(), static _ => { });
            times[round] = Stopwatch.GetElapsedTime(began).TotalMicroseconds;
        }

        return $"{Median(times):F1}";
    }

    private static Thread Start(Action body)
    {
        var thread = new Thread(() => body(), StackSize) { IsBackground = true };
        thread.Start();
        return thread;
    }

    private static double Median(double[] values)
    {
        Array.Sort(values);
        return values[values.Length / 2];
    }
}
