using Crosscore.Threads;

namespace Crosscore.HazardPointers;

/// <summary>Gives the scans that are due to an executor of the user's, one piece of work at a time. It does not look
/// again at what was protected: the next scan that is due does.</summary>
internal sealed class HazardPosting(Action<Action> execute) : HazardScheduler
{
    private readonly Lock _gate = new();
    private readonly List<HazardGarbageList> _due = [];
    private bool _posted;

    public override Exception? Notice(HazardGarbageList list, int urgency)
    {
        if (urgency < Due)
        {
            return null;
        }

        try
        {
            using (var steady = new Uninterrupted())
            {
                steady.Enter(_gate);
                try
                {
                    _due.Add(list);
                    if (_posted)
                    {
                        return null;
                    }

                    _posted = true;
                }
                finally
                {
                    _gate.Exit();
                }
            }

            execute(Work);
            return null;
        }
        catch (Exception obstacle)
        {
            foreach (HazardGarbageList refused in TakeAll())
            {
                refused.TakeNotice(); // the next retirement into it tries again
            }

            return obstacle;
        }
    }

    private void Work()
    {
        foreach (HazardGarbageList list in TakeAll())
        {
            if (HazardReclaiming.ByThisThread)
            {
                list.TakeNotice();
                HazardReclaiming.ScanLater(list); // the executor executes at once, in a callback
            }
            else
            {
                _ = list.ScanForReclaimer(onlyIfDue: true);
            }
        }
    }

    private HazardGarbageList[] TakeAll()
    {
        using var held = new HeldLock(_gate);
        _posted = false; // first: without memory for the array the next list that is due posts again
        HazardGarbageList[] due = [.. _due];
        _due.Clear();
        return due;
    }
}
