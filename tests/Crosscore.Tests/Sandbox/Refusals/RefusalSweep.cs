using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using Crosscore.Linux;
using Crosscore.Tests.Raw;

namespace Crosscore.Tests.Sandbox.Refusals;

/// <summary>
/// Refuses, one after the other, every system call that the library makes in a scenario, with each of six errors, once and for ever, and demands: the use ends in what is documented; after a single refusal the next use does
/// everything; when nothing is refused any more everything is done, whatever was refused before; and the thread may run where it could. <see cref="RefusalScenario"/> says how a folder's calls are swept.
/// </summary>
/// <remarks>
/// Real system calls are refused, by a seccomp filter with a supervisor (<see cref="CallSupervisor"/>), which needs Linux 5.6 or newer on x86-64 and a system that lets a process take over a descriptor of its child.
/// Elsewhere the test is skipped with the reason.
/// </remarks>
internal static class RefusalSweep
{
    /// <summary>What each call is answered with.</summary>
    public static IReadOnlyList<int> Errors { get; } = [Errno.EPERM, Errno.EMFILE, Errno.ENOMEM, Errno.EINTR, Errno.EAGAIN, Errno.ENOSYS];

    /// <summary>Sweeps one scenario; prints the number of calls and refusals.</summary>
    /// <param name="scenarios">The class with the property <c>All</c>.</param>
    /// <param name="name">The scenario.</param>
    /// <param name="print">Where the figures go.</param>
    /// <param name="settings">Added to the environment of the child.</param>
    public static void Check(Type scenarios, string name, Action<string> print, params (string Name, string Value)[] settings)
    {
        Machine.NeedsRawPrograms();
        using var sweep = new Session(scenarios, name, settings);
        (IReadOnlyList<WatchedCall> calls, Dictionary<string, string> report, _) = sweep.Run(null);
        Assert.SkipWhen(report.ContainsKey("unavailable"), "This system does not let a process answer the system calls of its child.");
        Assert.All(report, line => Assert.Contains(line.Value, (string[])["done", "same"]));
        Assert.NotEmpty(calls);

        RefusalScenario scenario = ((IReadOnlyList<RefusalScenario>)scenarios.GetProperty("All")!.GetValue(null)!).Single(one => one.Name == name);
        List<string> failures = [];
        int cases = 0;
        for (int place = 0; place < calls.Count; place++)
        {
            WatchedCall call = calls[place];
            if (scenario.Spared.Contains(call.Name))
            {
                continue;
            }

            foreach (int errno in Errors)
            {
                // What answers EINTR for ever is asked for ever, by .NET's own library: no kernel does that.
                int occurrence = calls.Take(place).Count(earlier => earlier == call);
                bool forEver = occurrence == 0 && !(call.ByFramework && errno == Errno.EINTR);
                foreach (bool always in forEver ? (bool[])[false, true] : [false])
                {
                    var refusal = new Refusal(call, occurrence, errno, always);
                    cases++;
                    failures.AddRange(sweep.Judge(refusal).Select(failure => $"{refusal}: {failure}"));
                }
            }
        }

        print($"{name}: {calls.Count} system calls ({string.Join(", ", calls.Select(call => call.Name).Distinct())}), {cases} refusals, {failures.Count} lost or remembered");
        Assert.True(failures.Count == 0, $"{failures.Count} of {cases}:\n{string.Join('\n', failures.Take(40))}");
    }

    /// <summary>A child and the socket by which it is asked for one case after the other; another child where one has died.</summary>
    private sealed class Session(Type scenarios, string name, (string Name, string Value)[] settings) : IDisposable
    {
        private readonly string _path = Path.Combine(Path.GetTempPath(), $"refusals-{Guid.NewGuid():N}");
        private Process? _child;
        private WatchedCalls? _watched;
        private Socket? _socket;
        private Task<string>? _errors;

        public (IReadOnlyList<WatchedCall> Calls, Dictionary<string, string> Report, WatchedCall? Refused) Run(Refusal? refusal)
        {
            if (_child is null)
            {
                Start();
            }

            CallSupervisor? supervisor = null;
            try
            {
                _ = _socket!.Send([1]);
                int descriptor = BitConverter.ToInt32(Receive(4));
                supervisor = descriptor < 0 ? null : CallSupervisor.Start(_watched!, descriptor, refusal);
                _ = _socket.Send([supervisor is null ? (byte)0 : (byte)1]);
                string text = Encoding.UTF8.GetString(Receive(BitConverter.ToInt32(Receive(4))));
                Dictionary<string, string> report = text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
                    .Select(line => line.Split('\t', 2)).ToDictionary(line => line[0], line => line[1]);
                if (report.ContainsKey("hung"))
                {
                    End();
                }

                return (supervisor?.Calls ?? [], report, supervisor?.Refused);
            }
            catch (Exception gone) when (gone is SocketException or EndOfStreamException)
            {
                string errors = End();
                return (supervisor?.Calls ?? [], new() { ["died"] = errors }, supervisor?.Refused);
            }
            finally
            {
                supervisor?.Dispose();
            }
        }

        public IEnumerable<string> Judge(Refusal refusal)
        {
            (_, Dictionary<string, string> report, WatchedCall? refused) = Run(refusal);
            if (refused is null)
            {
                yield return "the call was not made";
            }

            foreach ((string part, string outcome) in report)
            {
                bool fine = part switch
                {
                    "first" => outcome == "done" || outcome.StartsWith("documented", StringComparison.Ordinal),
                    "second" => outcome == "done" || (refusal.ForEver && outcome.StartsWith("documented", StringComparison.Ordinal)),
                    "later" => outcome == "done",
                    "state" => outcome == "same",
                    _ => false,
                };
                if (!fine)
                {
                    yield return $"{part}: {outcome}";
                }
            }
        }

        public void Dispose()
        {
            _ = End();
            File.Delete(_path);
        }

        private void Start()
        {
            File.Delete(_path);
            using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            listener.Bind(new UnixDomainSocketEndPoint(_path));
            listener.Listen(1);
            _child = ChildProcess.StartThisProgram(Child.MeetRefusals,
                [.. settings, (RefusalChild.SocketVariable, _path), (RefusalChild.ScenarioVariable, $"{scenarios.FullName}|{name}")]);
            _watched = new WatchedCalls(_child.Id);
            _errors = _child.StandardError.ReadToEndAsync();
            _ = _child.StandardOutput.ReadToEndAsync();
            Task<Socket> accepted = listener.AcceptAsync();
            Assert.True(accepted.Wait(TimeSpan.FromMinutes(2)), "The child did not begin.");
            _socket = accepted.Result;
            _socket.ReceiveTimeout = (int)TimeSpan.FromMinutes(4).TotalMilliseconds;
        }

        private string End()
        {
            if (_child is null)
            {
                return "";
            }

            _socket!.Dispose();
            if (!_child.WaitForExit(TimeSpan.FromSeconds(30)))
            {
                _child.Kill(entireProcessTree: true);
                _child.WaitForExit();
            }

            string result = $"status {_child.ExitCode}. {_errors!.GetAwaiter().GetResult()}";
            _watched!.Dispose();
            _child.Dispose();
            _child = null;
            return result;
        }

        private byte[] Receive(int count)
        {
            byte[] bytes = new byte[count];
            for (int at = 0; at < count;)
            {
                int read = _socket!.Receive(bytes, at, count - at, SocketFlags.None);
                at += read > 0 ? read : throw new EndOfStreamException();
            }

            return bytes;
        }
    }
}
