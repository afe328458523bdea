using Crosscore.Locks;

namespace Crosscore.Bench.Structures;

/// <summary>What an uncontended section costs under each lock, and what readers cost each other.</summary>
internal static class LockBench
{
    private static readonly BiasedLock Biased = new();
    private static readonly Lock Plain = new();
    private static readonly object Monitor = new();
    private static readonly AsymmetricReaderWriterLock Asymmetric = new();
    private static readonly ReaderWriterLockSlim Slim = new();
    private static long s_shared;

    public static void Run()
    {
        PrintOwner();
        ReaderTable.Print(
            "Reader-writer locks: enter for reading, read a number, exit",
            ("AsymmetricReaderWriterLock, EnterReadScope", AsymmetricScope),
            ("AsymmetricReaderWriterLock, Enter and Exit", AsymmetricEnterExit),
            ("ReaderWriterLockSlim", SlimRead),
            ("Lock", PlainLock),
            ("lock (object)", MonitorLock)
        );
        PrintWriter();
    }

    private static void PrintOwner()
    {
        var table = new Table(
            "One thread enters, adds one, exits; no other thread wants the lock",
            "what",
            "ns",
            "ratio"
        );
        (string Name, LoopTimer.Loop Loop)[] rows =
        [
            ("BiasedLock, EnterScope, by its owner", BiasedScope),
            ("BiasedLock, Enter and Exit, by its owner", BiasedEnterExit),
            ("Lock", PlainLock),
            ("lock (object)", MonitorLock),
        ];
        double[] times = LoopTimer.Alone([.. rows.Select(row => row.Loop)]);
        for (int row = 0; row < rows.Length; row++)
        {
            table.Add(
                rows[row].Name,
                times[row].ToString("0.0", System.Globalization.CultureInfo.InvariantCulture),
                Table.Ratio(times[row], times[0])
            );
        }

        table.Print();
    }

    private static void PrintWriter()
    {
        var table = new Table("Enter for writing and exit, no reader, no sibling running", "what", "ns", "ratio");
        double[] times = LoopTimer.Alone(AsymmetricWrite, SlimWrite);
        table.Add("AsymmetricReaderWriterLock", Table.Number(times[0]), Table.Ratio(times[0], times[0]));
        table.Add("ReaderWriterLockSlim", Table.Number(times[1]), Table.Ratio(times[1], times[0]));
        table.Print();
    }

    private static void BiasedScope(int rounds)
    {
        for (int round = 0; round < rounds; round++)
        {
            using (Biased.EnterScope())
            {
                s_shared++;
            }
        }
    }

    private static void BiasedEnterExit(int rounds)
    {
        for (int round = 0; round < rounds; round++)
        {
            Biased.Enter();
            s_shared++;
            Biased.Exit();
        }
    }

    private static void PlainLock(int rounds)
    {
        for (int round = 0; round < rounds; round++)
        {
            lock (Plain)
            {
                _ = Volatile.Read(ref s_shared);
            }
        }
    }

    private static void MonitorLock(int rounds)
    {
        for (int round = 0; round < rounds; round++)
        {
            lock (Monitor)
            {
                _ = Volatile.Read(ref s_shared);
            }
        }
    }

    private static void AsymmetricScope(int rounds)
    {
        for (int round = 0; round < rounds; round++)
        {
            using (Asymmetric.EnterReadScope())
            {
                _ = Volatile.Read(ref s_shared);
            }
        }
    }

    private static void AsymmetricEnterExit(int rounds)
    {
        for (int round = 0; round < rounds; round++)
        {
            Asymmetric.EnterReadLock();
            _ = Volatile.Read(ref s_shared);
            Asymmetric.ExitReadLock();
        }
    }

    private static void SlimRead(int rounds)
    {
        for (int round = 0; round < rounds; round++)
        {
            Slim.EnterReadLock();
            _ = Volatile.Read(ref s_shared);
            Slim.ExitReadLock();
        }
    }

    private static void AsymmetricWrite(int rounds)
    {
        for (int round = 0; round < rounds; round++)
        {
            Asymmetric.EnterWriteLock();
            Asymmetric.ExitWriteLock();
        }
    }

    private static void SlimWrite(int rounds)
    {
        for (int round = 0; round < rounds; round++)
        {
            Slim.EnterWriteLock();
            Slim.ExitWriteLock();
        }
    }
}
