using System.Diagnostics;
using System.Globalization;
using Crosscore.Model.Exploration;

namespace Crosscore.Tool.Output;

/// <summary>
/// Shows the progress of a long examination in one line of the error stream: the states explored, or the time of a run
/// on the machine. Shows nothing if the error stream is no terminal.
/// </summary>
internal sealed class ProgressLine : IProgress<ExplorationProgress>, IDisposable
{
    // A shorter examination ends before the line could be read.
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    private readonly bool _visible = !Console.IsErrorRedirected;
    private readonly Lock _lock = new();
    private readonly Timer _timer;
    private string? _name;
    private long _began;
    private long _shown;
    private int _length;

    public ProgressLine() => _timer = new Timer(_ => Wait(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

    public void Begin(string name)
    {
        lock (_lock)
        {
            _name = name;
            _began = _shown = Stopwatch.GetTimestamp();
        }

        if (_visible)
        {
            _timer.Change(2 * Interval, Interval);
        }
    }

    public void Report(ExplorationProgress value)
    {
        if (_visible && Stopwatch.GetElapsedTime(_shown) >= Interval)
        {
            Show(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{value.States:N0} states, {value.States / value.Elapsed.TotalSeconds / 1e6:0.00} M/s, "
                        + $"frontier {value.Frontier:N0}, step {value.Depth}, {value.Elapsed.TotalSeconds:0} s"
                )
            );
        }
    }

    public void Clear()
    {
        lock (_lock)
        {
            _name = null;
            if (_length > 0)
            {
                Console.Error.Write("\r" + new string(' ', _length) + "\r");
                _length = 0;
            }
        }
    }

    public void Dispose()
    {
        _timer.Dispose();
        Clear();
    }

    // Explorations report their progress; runs on the machine, and beginnings, do not.
    private void Wait()
    {
        if (Stopwatch.GetElapsedTime(_shown) >= 2 * Interval)
        {
            Show(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"running, {Stopwatch.GetElapsedTime(_began).TotalSeconds:0} s"
                )
            );
        }
    }

    private void Show(string text)
    {
        lock (_lock)
        {
            if (_name is not null)
            {
                string line = $"{_name}: {text}";
                Console.Error.Write("\r" + line.PadRight(_length));
                _length = line.Length;
                _shown = Stopwatch.GetTimestamp();
            }
        }
    }
}
