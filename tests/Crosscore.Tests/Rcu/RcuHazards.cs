using System.Globalization;
using System.Runtime.InteropServices;
using Crosscore.Rcu;

namespace Crosscore.Tests.Rcu;

/// <summary>What a child does that ends while others are inside.</summary>
internal static partial class RcuHazards
{
    /// <summary>
    /// Returns from Main while a background thread is inside of a section, a grace period waits for it, and items are
    /// waiting to be reclaimed.
    /// </summary>
    public static void LeaveThreadsInside()
    {
        var domain = new RcuDomain(new RcuDomainOptions { MaxDelay = TimeSpan.Zero });
        using var entered = new ManualResetEventSlim();
        new Thread(() =>
        {
            using RcuReadSection section = domain.EnterReadSection();
            entered.Set();
            Thread.Sleep(Timeout.Infinite);
        })
        {
            IsBackground = true,
        }.Start();
        entered.Wait();
        domain.Retire(0, static _ => Console.WriteLine("reclaimed"));
        new Thread(domain.Synchronize) { IsBackground = true }.Start();
        Background.Until(() => domain.GetHolders().Count == 1);
        Console.WriteLine("leaving");
    }

    /// <summary>
    /// Takes the room for another thread's stack away (RLIMIT_AS), retires, and gives the room back. The test that
    /// starts this makes stacks so large that none is left over from an earlier thread.
    /// </summary>
    public static void RetireWithoutThreads()
    {
        const int AddressSpace = 9; // RLIMIT_AS: include/uapi/asm-generic/resource.h
        const ulong Room = 64 << 20;
        var domain = new RcuDomain(new RcuDomainOptions { MaxDelay = TimeSpan.Zero });
        int reclaimed = 0;
        string size = File.ReadLines("/proc/self/status")
            .First(line => line.StartsWith("VmSize:", StringComparison.Ordinal))
            .Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[^2];
        ulong used = 1024 * ulong.Parse(size, CultureInfo.InvariantCulture);
        Limit(new ResourceLimit(used + Room, ulong.MaxValue));
        domain.Retire(0, _ => reclaimed++);
        Console.WriteLine("retired");
        try
        {
            domain.Barrier();
        }
        catch (Exception obstacle)
        {
            Console.WriteLine($"Barrier: {obstacle.GetType().Name}");
        }

        Console.WriteLine($"reclaimed {reclaimed}");
        Limit(new ResourceLimit(ulong.MaxValue, ulong.MaxValue));
        domain.Retire(0, _ => reclaimed++);
        Console.WriteLine("retired again");
        Background.Until(() => domain.Statistics.PendingCount == 0); // not by Barrier, which would start the thread too
        Console.WriteLine($"reclaimed {reclaimed}");

        static void Limit(ResourceLimit limit)
        {
            if (SetLimit(AddressSpace, in limit) != 0)
            {
                throw new InvalidOperationException($"setrlimit: {Marshal.GetLastPInvokeErrorMessage()}");
            }
        }
    }

    /// <summary>Where <see cref="ReplaceAndEnd"/> writes.</summary>
    public const string FolderVariable = "CROSSCORE_TEST_FOLDER";

    /// <summary>
    /// Replaces and drops values of a cell of the default domain that lose what they hold unless they are disposed of,
    /// and returns from Main.
    /// </summary>
    public static void ReplaceAndEnd()
    {
        string folder = Environment.GetEnvironmentVariable(FolderVariable)!;
        var cell = new RcuCell<StreamWriter>(Open("first"));
        cell.Replace(Open("second"));
        cell.Dispose();
        RcuDomain.Default.Retire(
            0,
            _ =>
                RcuDomain.Default.Retire(
                    0,
                    _ =>
                    {
                        using StreamWriter third = Open("third");
                        third.Write("retired by a callback");
                    }
                )
        );

        StreamWriter Open(string name)
        {
            var writer = new StreamWriter(Path.Combine(folder, name));
            if (name != "third")
            {
                writer.Write(name);
            }

            return writer;
        }
    }

    /// <summary>
    /// Returns from Main while another thread is inside of a section of the default domain and items wait for it.
    /// </summary>
    public static void EndWithReaderOfDefault()
    {
        using var entered = new ManualResetEventSlim();
        new Thread(() =>
        {
            using RcuReadSection section = RcuDomain.Default.EnterReadSection();
            entered.Set();
            Thread.Sleep(Timeout.Infinite);
        })
        {
            IsBackground = true,
        }.Start();
        entered.Wait();
        RcuDomain.Default.Retire(0, static _ => Console.WriteLine("reclaimed"));
        Console.WriteLine("leaving");
    }

    /// <summary>Ends the process from inside of a section of the default domain.</summary>
    public static void EndInsideOfDefault()
    {
        using RcuReadSection section = RcuDomain.Default.EnterReadSection();
        RcuDomain.Default.Retire(0, static _ => Console.WriteLine("reclaimed"));
        Console.WriteLine("leaving");
        Environment.Exit(0);
    }

    /// <summary>Ends the process in a callback of the default domain.</summary>
    public static void EndInCallbackOfDefault()
    {
        RcuDomain.Default.Retire(
            0,
            static _ =>
            {
                Console.WriteLine("leaving");
                Environment.Exit(0);
            }
        );
        RcuDomain.Default.Retire(0, static _ => Console.WriteLine("reclaimed"));
        Thread.Sleep(Timeout.Infinite);
    }

    /// <summary>
    /// Makes the pool as small as it can be, and lets as many grace periods wait for readers that need it as it has
    /// threads, and then as many threads of it block on grace periods.
    /// </summary>
    public static void WaitOnSmallPool()
    {
        int size = Environment.ProcessorCount; // the smallest that the pool takes
        if (!ThreadPool.SetMinThreads(1, 1) || !ThreadPool.SetMaxThreads(size, size))
        {
            throw new InvalidOperationException("The pool cannot be made so small.");
        }

        RcuDomain[] domains = [.. Enumerable.Range(0, size + 1).Select(_ => new RcuDomain())];
        using var left = new CountdownEvent(domains.Length);
        foreach (RcuDomain domain in domains)
        {
            _ = Read(domain, left);
            _ = domain.StartPoll();
        }

        Console.WriteLine(
            left.Wait(Background.Bound)
                ? "all sections were left"
                : $"{left.CurrentCount} of {domains.Length} sections are never left"
        );
        using var returned = new CountdownEvent(4 * size);
        using var cancellation = new CancellationTokenSource();
        for (int i = 0; i < size; i++)
        {
            RcuDomain domain = domains[i];
            Block(domain.Barrier);
            Block(() => domain.SynchronizeAsync(cancellation.Token).Wait());
            Block(() => domain.BarrierAsync(cancellation.Token).Wait());
            Block(() => AsymmetricFence.HeavyAsync(cancellation.Token).Wait());
        }

        Console.WriteLine(
            returned.Wait(Background.Bound)
                ? "all threads of the pool returned"
                : $"{returned.CurrentCount} blocked forever"
        );

        void Block(Action action) =>
            ThreadPool.QueueUserWorkItem(_ =>
            {
                action();
                returned.Signal();
            });

        static async Task Read(RcuDomain domain, CountdownEvent left)
        {
            using (domain.EnterAsyncReadSection())
            {
                await Task.Delay(200);
            }

            left.Signal();
        }
    }

    /// <summary>Uses what needs the fence where a mode was chosen that is unavailable.</summary>
    public static void UseMissingFence()
    {
        Try(() => new RcuDomain());
        Try(() => RcuDomain.Default);
        Try(() => RcuDomain.Default);
        Try(() => new RcuCell<object>(new object()));
        Try(() => new Crosscore.Structures.ReadMostlyMap<int, object>());

        static void Try(Func<object> use)
        {
            try
            {
                _ = use();
                Console.WriteLine("no exception");
            }
            catch (Exception refusal)
            {
                Console.WriteLine($"{refusal.GetType().Name}: {refusal.Message}");
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "setrlimit", SetLastError = true)]
    private static partial int SetLimit(int resource, in ResourceLimit limit);

    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct ResourceLimit(ulong Soft, ulong Hard);
}
